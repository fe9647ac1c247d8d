"""What people look at: the report's templates, and the viewer's files and the form of its data."""
