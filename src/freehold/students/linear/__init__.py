"""The linear student: for labels that a few words decide, somewhere in long or several inputs."""
