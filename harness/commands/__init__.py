"""What the commands of the command line do, besides running and reporting."""
