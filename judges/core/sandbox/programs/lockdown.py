"""What each program in the sandbox does to itself before it touches foreign code: it gives up what it could do.

The text of this file goes in front of a program's own and runs as one script in a bare interpreter, so it
imports the standard library alone. It reads a job from standard input, locks itself in, and calls ``work``.
Nothing here can be taken back by what runs afterwards: the kernel allows only to give up more.

- limits of CPU time, memory, file size and open files;
- no capability, whoever started it;
- Landlock (kernel 5.13 and later): no file outside the job's ``readable`` and ``writable`` folders, no TCP, no
  signal and no abstract socket beyond this process;
- a seccomp filter: no socket, no new process or program, no signal to others, no tracing, no mounts, no keys.
  Threads stay possible, numerical libraries need them.
"""

import ctypes
import json
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
CLONE_THREAD = 0x10000
# By the architecture's number in the kernel: what is refused outright.
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
REFUSED = {
    # socket connect bind listen accept accept4 sendto sendmsg sendmmsg, fork vfork execve execveat,
    # ptrace process_vm_readv process_vm_writev, tkill rt_sigqueueinfo rt_tgsigqueueinfo, personality,
    # mount umount2 pivot_root chroot unshare setns, keyctl add_key request_key, bpf perf_event_open userfaultfd,
    # name_to_handle_at open_by_handle_at, init_module finit_module delete_module kexec_load kexec_file_load,
    # reboot swapon swapoff syslog acct quotactl settimeofday clock_settime adjtimex, setpriority
    # sched_setscheduler, shmget msgget semget mq_open, memfd_create memfd_secret; and what Landlock does not see of
    # files: chmod, chown, utime, setxattr and removexattr with all their kin
    "x86_64": (
        *(41, 42, 49, 50, 43, 288, 44, 46, 307, 57, 58, 59, 322),
        *(101, 310, 311, 200, 129, 297, 135),
        *(165, 166, 155, 161, 272, 308, 250, 248, 249, 321, 298, 323),
        *(303, 304, 175, 313, 176, 246, 320),
        *(169, 167, 168, 103, 163, 179, 164, 227, 159, 141, 144, 29, 68, 64, 240, 319, 447),
        *(90, 91, 268, 92, 93, 94, 260, 132, 235, 280, 261, 188, 189, 190, 197, 198, 199),
    ),
    "aarch64": (
        *(198, 203, 200, 201, 202, 242, 206, 211, 269, 221, 281),
        *(117, 270, 271, 130, 138, 240, 92),
        *(40, 39, 41, 51, 97, 268, 219, 217, 218, 280, 241, 282),
        *(264, 265, 105, 273, 106, 104, 294),
        *(142, 224, 225, 116, 89, 60, 170, 112, 171, 140, 119, 194, 186, 190, 180, 279, 447),
        *(52, 53, 54, 55, 88, 5, 6, 7, 14, 15, 16),
    ),
}
# io_uring, pidfds, the newer calls about mounts, modes and attributes: numbered alike everywhere.
REFUSED_EVERYWHERE = (424, 425, 426, 427, 428, 429, 430, 431, 432, 433, 434, 438, 442, 452, 463, 466)
CLONE3 = 435
# Calls whose first argument names a process: only this one will do (for prlimit64 it is 0).
NAMED: dict[str, dict[int, int | None]] = {
    "x86_64": {62: None, 234: None, 302: 0},
    "aarch64": {129: None, 131: None, 261: 0},
}
CLONE = {"x86_64": 56, "aarch64": 220}


def prctl(option: int, argument: int = 0, more: int = 0) -> None:
    """Raises OSError where the kernel refuses."""
    if LIBC.prctl(option, ctypes.c_ulong(argument), ctypes.c_ulong(more), 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def limit(job: dict[str, Any]) -> None:
    """``cpu_seconds``, ``memory_bytes`` and ``file_bytes`` of the job, hard."""
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, job["cpu_seconds"]),
        (resource.RLIMIT_AS, job["memory_bytes"]),
        (resource.RLIMIT_FSIZE, job["file_bytes"]),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(what, (most, most))


def drop_capabilities() -> None:
    """capset(2), version 3, with three empty sets; a process without any stays without."""
    header = struct.pack("Ii", 0x20080522, 0)
    if LIBC.capset(header, bytes(24)):
        raise OSError(ctypes.get_errno(), "capset")


def forbid_files(readable: Sequence[str], writable: Sequence[str]) -> int:
    """Landlock; returns its version, 0 where the kernel has none."""
    abi: int = LIBC.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if abi < 1:
        return 0
    rights = (1 << 13) - 1
    for version, right in ((2, 13), (3, 14), (5, 15)):
        rights |= (1 << right) if abi >= version else 0
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    ruleset = LIBC.syscall(CREATE_RULESET, struct.pack("QQQ", rights, 3, 3)[:size], ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return 0
    for paths, allowed in ((readable, 0b1101), (writable, rights & ~1)):
        for path in paths:
            allow(ruleset, path, allowed)
    if LIBC.syscall(RESTRICT_SELF, ruleset, 0):
        raise OSError(ctypes.get_errno(), "landlock_restrict_self")
    os.close(ruleset)
    return abi


def allow(ruleset: int, path: str, allowed: int) -> None:
    """One rule; ``path:list`` allows to list a folder and no more."""
    path, _, only_list = path.partition(":")
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if only_list:
        allowed = 1 << 3
    elif not os.path.isdir(path):
        allowed &= 0b110
    rule = struct.pack("=Qi", allowed, opened)
    if LIBC.syscall(ADD_RULE, ruleset, 1, rule, 0):
        raise OSError(ctypes.get_errno(), f"landlock_add_rule {path}")
    os.close(opened)


def forbid_calls() -> bool:
    """The seccomp filter; returns whether it stands. Offsets: nr 0, architecture 4, first argument 16 and 20."""
    machine = platform.machine()
    if machine not in ARCHITECTURES or sys.byteorder != "little":
        return False
    load, equal, at_least, any_bit, back = 0x20, 0x15, 0x35, 0x45, 0x06
    allowed, refused, unknown, kill = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
    code = [(load, 0, 0, 4), (equal, 1, 0, ARCHITECTURES[machine]), (back, 0, 0, kill), (load, 0, 0, 0)]
    if machine == "x86_64":  # the x32 numbers are a second way to every call
        code += [(at_least, 0, 1, 0x40000000), (back, 0, 0, refused)]
    for number in (*REFUSED[machine], *REFUSED_EVERYWHERE):
        code += [(equal, 0, 1, number), (back, 0, 0, refused)]
    code += [(equal, 0, 1, CLONE3), (back, 0, 0, unknown)]  # the C library then tries clone
    code += [(equal, 0, 3, CLONE[machine]), (load, 0, 0, 16), (any_bit, 1, 0, CLONE_THREAD)]
    code += [(back, 0, 0, refused), (load, 0, 0, 0)]
    for number, argument in NAMED[machine].items():
        own = os.getpid() if argument is None else argument
        code += [(equal, 0, 3, number), (load, 0, 0, 16), (equal, 1, 0, own), (back, 0, 0, refused)]
        code += [(load, 0, 0, 0)]
    code += [(back, 0, 0, allowed)]
    program = b"".join(struct.pack("HBBI", *line) for line in code)
    buffer = ctypes.create_string_buffer(program)
    described = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(buffer)))
    stands: bool = LIBC.prctl(PR_SET_SECCOMP, ctypes.c_ulong(2), described, 0, 0) == 0
    return stands


def lock(job: dict[str, Any]) -> dict[str, Any]:
    """All of it, in an order in which each step is still possible. Returns what stands."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    limit(job)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    drop_capabilities()
    landlock = forbid_files(job["readable"], job["writable"])
    return {"landlock": landlock, "seccomp": forbid_calls()}


def main(work: Callable[[dict[str, Any], Callable[[Any], None]], None]) -> None:
    """Read the job, answer on what was standard output, and give the foreign code another one."""
    job = json.loads(sys.stdin.buffer.read())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
    os.dup2(2, 1)
    sys.path += job["path"]
    os.chdir(job["folder"])

    def say(answer: Any) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    standing = lock(job)
    say({"standing": standing})
    if all(standing[name] for name in job["required"]):
        work(job, say)
