"""Programs that ask the kernel for what they have no business with."""

from __future__ import annotations

from tests.sandbox.hostile.attack import Attack

ATTACKS = (
    Attack(
        "mounts",
        """
def gained():
    return gains(
        (errno.EINVAL,),
        bind=lambda: raw(165, b"/tmp", b"/tmp", 0, 4096, 0),
        move=lambda: raw(165, b"/", b"/tmp", 0, 8192, 0),
        tmpfs=lambda: raw(165, b"none", b"/tmp", b"tmpfs", 0, 0),
        proc=lambda: raw(165, b"none", b"/tmp", b"proc", 0, 0),
        writable=lambda: raw(165, b"none", b"/", 0, 32 | 4096, 0),
        away=lambda: raw(166, b"/tmp", 2),
        root=lambda: raw(166, b"/", 2),
        tree=lambda: raw(428, -100, b"/", 1),
        moved=lambda: raw(429, 0, b"", -100, b"/tmp", 4),
        opened=lambda: raw(430, b"tmpfs", 0),
        config=lambda: raw(431, 0, 0, 0, 0, 0),
        made=lambda: raw(432, 0, 0, 0),
        attributes=lambda: raw(442, -100, b"/", 0x8000, bytes(32), 32),
    )
""",
        held_at="filtered",
    ),
    Attack(
        "namespaces",
        """
def gained():
    kinds = dict(
        user=0x10000000,
        mount=0x20000,
        pid=0x20000000,
        net=0x40000000,
        ipc=0x8000000,
        uts=0x4000000,
        cgroup=0x2000000,
        time=0x80,
    )
    acts = {name: lambda kind=kind: raw(272, kind) for name, kind in kinds.items()}
    acts |= {f"set {name}": lambda kind=kind: raw(308, 3, kind) for name, kind in kinds.items()}
    return gains((errno.EINVAL,), **acts)
""",
        held_at="filtered",
    ),
    Attack(
        "another root",
        """
def gained():
    return gains(chroot=lambda: os.chroot("/tmp"), pivot=lambda: raw(155, b".", b"."))
""",
    ),
    Attack(
        "another user, group or set of capabilities",
        """
def gained():
    return gains(
        (errno.EINVAL,),
        uid=lambda: os.setuid(0),
        resuid=lambda: os.setresuid(0, 0, 0),
        reuid=lambda: os.setreuid(0, 0),
        gid=lambda: os.setgid(0),
        resgid=lambda: os.setresgid(0, 0, 0),
        groups=lambda: os.setgroups([0]),
        fsuid=lambda: root_files(),
        capabilities=lambda: capable(),
    )


def root_files():
    raw(122, 0)
    if raw(122, -1) != 0:
        raise PermissionError(errno.EPERM, "still the same")


def capable():
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    return raw(
        126, ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)(*[0xFFFFFFFF] * 6))
    )
""",
    ),
    Attack(
        "powers of the kernel",
        """
def gained():
    calls = dict(
        bpf=321,
        keyctl=250,
        add_key=248,
        request_key=249,
        io_uring_setup=425,
        io_uring_enter=426,
        userfaultfd=323,
        perf_event_open=298,
        init_module=175,
        finit_module=313,
        delete_module=176,
        kexec_load=246,
        kexec_file_load=320,
        reboot=169,
        syslog=103,
        acct=163,
        quotactl=179,
        swapon=167,
        swapoff=168,
        sethostname=170,
        setdomainname=171,
        settimeofday=164,
        adjtimex=159,
        clock_settime=227,
        clock_adjtime=305,
        iopl=172,
        ioperm=173,
        lookup_dcookie=212,
        fanotify_init=300,
        inotify_init=253,
        inotify_init1=294,
        open_by_handle_at=304,
        name_to_handle_at=303,
        memfd_create=319,
        memfd_secret=447,
        pkey_alloc=330,
        personality=135,
        modify_ldt=154,
        uselib=134,
        vhangup=153,
        ustat=136,
        sysfs=139,
        nfsservctl=180,
        get_mempolicy=239,
        set_mempolicy=238,
        mbind=237,
        migrate_pages=256,
        move_pages=279,
        landlock=444,
        seccomp=317,
        process_madvise=440,
        process_mrelease=448,
        quotactl_fd=443,
        cachestat=451,
        setns=308,
        unshare=272,
        pidfd_getfd=438,
        ptrace=101,
        signalfd=282,
        signalfd4=289,
        timerfd_create=283,
        timer_create=222,
        io_setup=206,
        vmsplice=278,
        splice=275,
        tee=276,
        openat2=437,
        execve=59,
        execveat=322,
        vfork=58,
        fork=57,
        mknod=133,
        mknodat=259,
        chown=92,
        fchown=93,
        lchown=94,
        fchownat=260,
        setxattr=188,
        lsetxattr=189,
        fsetxattr=190,
        remap_file_pages=216,
        rt_sigqueueinfo=129,
        rt_tgsigqueueinfo=297,
        tkill=200,
        setpriority=141,
        sched_setaffinity=203,
        sched_setscheduler=144,
        sched_setattr=314,
        ioprio_set=251,
        setrlimit=160,
        mlock=149,
        mlockall=151,
        mlock2=325,
        arch_prctl=158,
    )
    return [
        text
        for name, number in calls.items()
        for text in gains(**{name: lambda number=number: raw(number, 0, 0, 0, 0, 0)})
    ]
""",
        held_at="filtered",
    ),
    Attack(
        "numbers of system calls that do not exist yet",
        """
def gained():
    return gains(
        **{
            str(number): lambda number=number: raw(number, 0, 0, 0, 0, 0)
            for number in (*range(452, 1100), 4096, 65535, 0x3FFFFFFF)
        }
    )
""",
        held_at="filtered",
    ),
    Attack(
        "system calls of another ABI: x32",
        """
def f(x):
    return raw(0x40000000 | 39)
""",
        held_at="filtered",
        dies=True,
    ),
    Attack(
        "a negative number of a system call",
        """
def f(x):
    return raw(-1)
""",
        held_at="filtered",
        dies=True,
    ),
    Attack(
        "system calls of another ABI: 32 bits, in machine code of its own",
        r"""
import mmap, platform


def f(x):
    # mov eax, 20 (getpid there); int 0x80; ret
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\0\0\0\xcd\x80\xc3" if platform.machine() == "x86_64" else b"\0\0\0\0")
    call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    return call()
""",
        held_at="filtered",
        dies=True,
    ),
    Attack(
        "shared memory, messages and semaphores of System V",
        """
def gained():
    return gains(
        memory=lambda: raw(29, 42, 4096, 0o1666),
        messages=lambda: raw(68, 42, 0o1666),
        semaphores=lambda: raw(64, 42, 1, 0o1666),
    )
""",
        held_at="filtered",
    ),
    Attack(
        "queues and semaphores of POSIX",
        """
def gained():
    from _multiprocessing import SemLock
    import _posixshmem

    return gains(
        (errno.EINVAL,),
        queue=lambda: raw(240, b"hostile", 0o102, 0o666, 0),
        shared=lambda: _posixshmem.shm_open(
            "/hostile-mark-shm", os.O_CREAT | os.O_RDWR, mode=0o600
        ),
        semaphore=lambda: SemLock(0, 1, 1, "/hostile-mark-sem", True),
    )
""",
        held_at="filtered",
    ),
    Attack(
        "who gets a signal of a descriptor",
        r"""
import fcntl, termios


def gained():
    return gains(
        owner=lambda: fcntl.fcntl(3, fcntl.F_SETOWN, 1),
        signal=lambda: fcntl.fcntl(3, fcntl.F_SETSIG, 9),
        lease=lambda: fcntl.fcntl(0, fcntl.F_SETLEASE, 0),
        notify=lambda: fcntl.fcntl(0, fcntl.F_NOTIFY, 1),
        pipe=lambda: fcntl.fcntl(os.pipe()[1], 1031, 1 << 20),
        seals=lambda: fcntl.fcntl(3, 1033, 1),
        owner_io=lambda: fcntl.ioctl(3, 0x8901, b"\1\0\0\0"),
        group=lambda: fcntl.ioctl(3, 0x8902, b"\1\0\0\0"),
        typed=lambda: fcntl.ioctl(0, termios.TIOCSTI, b"x"),
        terminal=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 1),
    )
""",
        held_at="filtered",
    ),
    Attack(
        "what happens to its parent and children",
        """
def gained():
    return gains(
        (errno.EINVAL, errno.EFAULT),
        no_death=lambda: raw(157, 1, 0),
        dumpable=lambda: raw(157, 4, 1),
        subreaper=lambda: raw(157, 36, 1),
        ptracer=lambda: raw(157, 0x59616D61, -1),
        keep=lambda: raw(157, 8, 1),
        name=lambda: raw(157, 15, b"hostile"),
        filter=lambda: raw(157, 22, 2, 0),
        tsc=lambda: raw(157, 26, 2),
        secure=lambda: raw(157, 28, 1),
        mm=lambda: raw(157, 35, 8, 4096, 0, 0),
        ambient=lambda: raw(157, 47, 2, 21, 0, 0),
    )
""",
        held_at="filtered",
    ),
)
