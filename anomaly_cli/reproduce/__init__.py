"""The papers' tables and figures, each a small declaration that is run over searches, toys or flows."""
