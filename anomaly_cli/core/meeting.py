"""Tasks that run in turn, their pending requests answered together, as one batch."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Request = TypeVar("Request")
Answer = TypeVar("Answer")
Result = TypeVar("Result")


LOOK_SECONDS = 0.5
"""Between two looks at whether the user wants to stop."""


class Abandoned(Exception):
    """Nobody waits any more for what a piece of work would give."""


@dataclass
class _Question(Generic[Request]):
    """What a piece asks for, and its turn, which comes when it is answered."""

    request: Request
    turn: threading.Event = field(default_factory=threading.Event)
    answer: Any = None


@dataclass
class _Group:
    """Pieces that were started by one call, which waits for the last of them."""

    n_left: int
    turn: threading.Event = field(default_factory=threading.Event)


class Meeting(Generic[Request, Answer]):
    """Runs pieces of work in turns: one goes on until it asks for something, then the next one does.

    When all that go on have asked, their questions are answered together. Pieces are written as if each were alone.
    Their order is always the same, and at no time do two of them run, so nothing that they share needs a lock. A piece
    may start others.

    Args:
        answer: from questions to as many answers in their order; an answer that is an exception is raised where its
            question was asked.
    """

    def __init__(self, answer: Callable[[Sequence[Request]], Sequence[Answer | Exception]]) -> None:
        self._answer = answer
        self._ready: deque[threading.Event] = deque()
        self._asked: list[_Question[Request]] = []
        self._is_abandoned = False

    def run(self, pieces: Sequence[Callable[[], Result]]) -> list[Result]:
        """Return what the pieces give, in their order.

        Raises:
            Exception: that of the first piece that failed, when all have ended.
        """
        found: list[Any] = [None] * len(pieces)
        group = _Group(len(pieces))
        for place, piece in enumerate(pieces):
            turn = threading.Event()
            self._ready.append(turn)
            arguments = (place, piece, turn, group, found)
            threading.Thread(target=self._take_part, args=arguments, daemon=True).start()
        if not pieces:
            return []
        try:
            self._pass_on()
            while not group.turn.wait(LOOK_SECONDS):  # Python sees a signal that comes just before a wait after it only
                pass
        except BaseException:  # Ctrl-C: a thread at work when Python ends would abort it
            self._is_abandoned = True
            group.turn.wait()
            raise
        for one in found:
            if isinstance(one, _Failed):
                raise one.error
        return found

    def check(self) -> None:
        """End what nobody waits for: to be called now and then by what answers.

        Raises:
            Abandoned: where the caller of the pieces was interrupted.
        """
        if self._is_abandoned:
            raise Abandoned

    def ask(self, request: Request) -> Answer:
        """Return the answer to a question, after all others had their turn; to be called from a piece.

        Raises:
            Abandoned: where the caller of the pieces was interrupted.
            Exception: where the answer is one.
        """
        self.check()
        question = _Question(request)
        self._asked.append(question)
        self._pass_on()
        question.turn.wait()
        self.check()
        if isinstance(question.answer, BaseException):
            raise question.answer
        answer: Answer = question.answer
        return answer

    def _take_part(
        self, place: int, piece: Callable[[], Any], turn: threading.Event, group: _Group, found: list[Any]
    ) -> None:
        turn.wait()
        try:
            self.check()
            found[place] = piece()
        except BaseException as error:
            found[place] = _Failed(error)
        group.n_left -= 1
        if not group.n_left:
            self._ready.append(group.turn)
        self._pass_on()

    def _pass_on(self) -> None:
        """Give the turn to the next piece; where all have asked, answer them first."""
        if not self._ready and self._asked:
            asked, self._asked = self._asked, []
            for question, answer in zip(asked, self._answers(asked), strict=True):
                question.answer = answer
                self._ready.append(question.turn)
        if self._ready:
            self._ready.popleft().set()

    def _answers(self, asked: Sequence[_Question[Request]]) -> Sequence[Any]:
        """Return an answer to each question; whatever happens, nobody may be left waiting."""
        try:
            self.check()
            answers = list(self._answer([question.request for question in asked]))
            if len(answers) != len(asked):
                raise ValueError(f"{len(answers)} answers to {len(asked)} questions")
        except BaseException as error:
            return [error] * len(asked)
        return answers


@dataclass(frozen=True)
class _Failed:
    error: BaseException
