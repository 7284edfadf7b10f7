/* Macros of the kernel that BTF does not carry, and small words of our own. */
#ifndef RINGFENCE_KERNEL_H
#define RINGFENCE_KERNEL_H

#define RF_INLINE static inline __attribute__((always_inline))
#define RF_LOOP _Pragma("clang loop unroll(disable)")
/* Keep the compiler from reasoning about a value: it would drop masks that the verifier needs, or unroll counters. */
#define RF_OPAQUE(value) asm volatile("" : "+r"(value))

/* What memory holds is read from memory again: a register would carry what the verifier knows of it, different after each turn of a
 * loop, and nothing after the loop could be verified once for all turns. */
#define RF_FORGET() asm volatile("" ::: "memory")

/* A look-up by number. The key fills a whole slot of the stack: the verifier takes what is written in part for still in use before,
 * and would tell states apart by what lay there. Both architectures begin with the low half. */
#define RF_AT(map, number) bpf_map_lookup_elem(map, &(__u64){number})

#define PF_KTHREAD 0x00200000U
#define FMODE_READ 0x1U
#define FMODE_WRITE 0x2U
#define FMODE_BACKING (1U << 25)
#define FMODE_NOACCOUNT (1U << 29)
#define O_TRUNC 01000U
#define PROT_EXEC 0x4U
#define VM_EXEC 0x4U
#define S_IFMT 0170000U
#define S_IFSOCK 0140000U
#define FLAG_EXEC 0x20U /* __FMODE_EXEC in f_flags */
#define CLONE_INTO_CGROUP 0x200000000ULL
#define MSG_FASTOPEN 0x20000000U

#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define AF_PACKET 17
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_SEQPACKET 5
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_SCTP 132
#define IPPROTO_UDPLITE 136
#define IPPROTO_SMC 256
#define IPPROTO_MPTCP 262

#define SIGKILL 9
#define EPERM 1
#define ENOENT 2
#define EACCES 13
#define EROFS 30
#define ENETUNREACH 101
#define ECONNREFUSED 111
#define EHOSTUNREACH 113
#define NANOSECONDS 1000000000ULL /* of a second */

/* The namespace pointer of mounts that only the kernel uses: ERR_PTR(-EINVAL). */
#define MNT_NS_INTERNAL ((__u64) - 22)

#endif
