"""The command line: subcommands, their options made from settings, and the set-up of the process.

A command words messages and sets exit codes; it calls the step of its name with settings from
`nucwsi.config`. No command computes, opens a file itself, or states the default of a setting.
"""
