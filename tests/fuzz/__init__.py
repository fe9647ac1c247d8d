"""A machine that damages what nucwsi reads, and looks at what becomes of it.

`mutators` and the modules beside it damage files; `subjects` makes small sound files and names the
command that reads each; `runner` runs a command on a damaged file and passes the verdict. Which
damage a case does follows from its seed and number alone.
"""
