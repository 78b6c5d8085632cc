"""Which system calls a learner's process may not make, as a seccomp program (made once a run, by libseccomp)."""

from __future__ import annotations

import errno
import tempfile

CLONE_THREAD = 0x00010000

# What no exercise needs and what lets a process reach beyond itself. New processes are refused as well:
# a submission is one process with threads, so nothing it starts can outlive it.
REFUSED = """
fork vfork execve execveat
socket connect bind listen accept accept4
ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp
mount umount2 pivot_root chroot unshare setns move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr
open_by_handle_at name_to_handle_at quotactl swapon swapoff acct
bpf perf_event_open keyctl add_key request_key userfaultfd io_uring_setup io_uring_enter io_uring_register
kexec_load kexec_file_load init_module finit_module delete_module reboot syslog
setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups capset personality
settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname
iopl ioperm modify_ldt vhangup nfsservctl lookup_dcookie
memfd_create memfd_secret shmget shmat msgget semget mq_open
sched_setaffinity sched_setscheduler sched_setparam sched_setattr setpriority ioprio_set
fanotify_init landlock_create_ruleset seccomp
""".split()  # noqa: SIM905 - as a list it would take a page


def compile_filter() -> bytes:
    """The program as the kernel reads it. Raises OSError when libseccomp is not there."""
    try:
        import pyseccomp
    except ImportError as error:
        raise OSError(errno.ENOENT, "libseccomp or pyseccomp is missing") from error
    except RuntimeError as error:
        raise OSError(errno.ENOENT, str(error)) from error
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in REFUSED:
        if pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) >= 0:
            rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
    # A thread is a clone with CLONE_THREAD. glibc falls back to clone where clone3, whose flags a filter
    # can't read, does not exist.
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    thread = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, CLONE_THREAD, 0)
    rules.add_rule(pyseccomp.ERRNO(errno.EPERM), "clone", thread)
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()
