"""Where footage comes from: the files and folders that a project names."""
