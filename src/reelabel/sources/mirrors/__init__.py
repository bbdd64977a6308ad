"""Takes wanted clips out of the archives of public mirrors."""
