"""Response categories, each named by its published criterion and given with its inputs."""
