"""What acts: settings, Prefect flows, the command line, writing and exporting."""
