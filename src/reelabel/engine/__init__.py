"""How the work of a stage is planned, spread over the machine, shown, and written down."""
