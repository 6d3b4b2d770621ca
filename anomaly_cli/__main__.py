"""`python -m anomaly_cli` is `anomaly`."""

from anomaly_cli.cli.app import main

if __name__ == "__main__":
    main()
