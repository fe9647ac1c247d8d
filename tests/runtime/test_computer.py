"""Whether other people may use this computer."""

import os
import pwd
from types import SimpleNamespace

from nucwsi.runtime import computer as module
from nucwsi.runtime.computer import is_shared_computer


def test_a_computer_is_shared_where_others_have_accounts_or_processes(monkeypatch):
    me = os.getuid()
    for name in module._REMOTE:
        monkeypatch.delenv(name, raising=False)

    def users(*entries):
        found = [SimpleNamespace(pw_uid=uid, pw_shell=shell) for uid, shell in entries]
        monkeypatch.setattr(pwd, "getpwall", lambda: found)

    monkeypatch.setattr(module, "_process_owners", set)
    users((0, "/bin/bash"), (2, "/bin/sync"), (me, "/bin/bash"), (65534, "/usr/sbin/nologin"))
    assert not is_shared_computer()
    users((me, "/bin/bash"), (1000 + (me == 1000), "/usr/sbin/nologin"))
    assert not is_shared_computer()
    users((me, "/bin/bash"), (1000 + (me == 1000), "/bin/zsh"))
    assert is_shared_computer()
    users((me, "/bin/bash"))
    monkeypatch.setattr(module, "_process_owners", lambda: {0, me, 4711})
    assert is_shared_computer()
    monkeypatch.setattr(module, "_process_owners", set)
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 5 192.0.2.2 22")
    assert is_shared_computer()


def test_processes_have_owners():
    assert os.getuid() in module._process_owners()
