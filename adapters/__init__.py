"""What a task is: manifests, their registry, output parsers and stack checks; one folder per built-in task."""
