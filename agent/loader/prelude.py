"""
The part of the header that is the same for every kernel: what BCC's own headers and any C need before the types from
BTF.

BCC 0.26 includes a dozen kernel headers before the program; each name in `INCLUDED` leads to our one header. The
version is fixed so that equal sources and BTF give equal bytes wherever they are compiled: nothing we write asks for
it.
"""

#: Helpers from number 150 on, in order (`___BPF_FUNC_MAPPER` in include/uapi/linux/bpf.h): BCC names some that an
#: older kernel's BTF lacks.
_FIRST_HELPER = 150
_HELPERS = """
    seq_printf_btf skb_cgroup_classid redirect_neigh per_cpu_ptr this_cpu_ptr redirect_peer task_storage_get
    task_storage_delete get_current_task_btf bprm_opts_set ktime_get_coarse_ns ima_inode_hash sock_from_file check_mtu
    for_each_map_elem snprintf sys_bpf btf_find_by_name_kind sys_close timer_init timer_set_callback timer_start
    timer_cancel get_func_ip get_attach_cookie task_pt_regs get_branch_snapshot trace_vprintk skc_to_unix_sock
    kallsyms_lookup_name find_vma loop strncmp get_func_arg get_func_ret get_func_arg_cnt get_retval set_retval
    xdp_get_buff_len xdp_load_bytes xdp_store_bytes copy_from_user_task skb_set_tstamp ima_file_hash kptr_xchg
    map_lookup_percpu_elem skc_to_mptcp_sock dynptr_from_mem ringbuf_reserve_dynptr ringbuf_submit_dynptr
    ringbuf_discard_dynptr dynptr_read dynptr_write dynptr_data tcp_raw_gen_syncookie_ipv4 tcp_raw_gen_syncookie_ipv6
    tcp_raw_check_syncookie_ipv4 tcp_raw_check_syncookie_ipv6 ktime_get_tai_ns user_ringbuf_drain cgrp_storage_get
    cgrp_storage_delete
"""
HELPER_NAMES = tuple((f"BPF_FUNC_{name}", number) for number, name in enumerate(_HELPERS.split(), _FIRST_HELPER))

#: Typedefs that the header begins with.
_TYPES = """
    u8 u16 u32 u64 s8 s16 s32 s64 __u8 __u16 __u32 __u64 __s8 __s16 __s32 __s64 __be16 __be32 __be64 size_t bool
    uintptr_t uint8_t uint16_t uint32_t uint64_t
"""
PRELUDE_TYPES = frozenset(_TYPES.split())

#: Types that BCC's own headers hold by value.
PRELUDE_TAGS = frozenset(("bpf_stack_build_id",))

#: Below the tree's `include/`.
_INCLUDED = """
    linux/kconfig.h linux/types.h linux/version.h linux/log2.h asm/page.h asm/types.h uapi/linux/bpf.h
    uapi/linux/ptrace.h uapi/linux/if_packet.h uapi/linux/if_ether.h uapi/linux/types.h linux/bpf.h linux/ptrace.h
    linux/if_packet.h linux/if_ether.h
"""
INCLUDED = tuple(_INCLUDED.split())

PRELUDE = """#ifndef RINGFENCE_VMLINUX_H
#define RINGFENCE_VMLINUX_H
#define CONFIG_BPF_SYSCALL 1
#define CONFIG_CC_STACKPROTECTOR 1
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE KERNEL_VERSION(6, 1, 0)
#define PAGE_SIZE 4096
#define BPF_PSEUDO_MAP_FD 1
#define bool _Bool
#define true 1
#define false 0
#define offsetof(type, member) __builtin_offsetof(type, member)
typedef unsigned char __u8, u8, uint8_t;
typedef unsigned short __u16, u16, __be16, uint16_t;
typedef unsigned int __u32, u32, __be32, uint32_t;
typedef unsigned long long __u64, u64, __be64, uint64_t;
typedef signed char __s8, s8;
typedef short __s16, s16;
typedef int __s32, s32;
typedef long long __s64, s64;
typedef unsigned long size_t, uintptr_t;
struct __sk_buff; struct bpf_pidns_info; struct bpf_redir_neigh; struct bpf_sock; struct bpf_sock_tuple;
struct bpf_spin_lock; struct bpf_sysctl; struct bpf_tcp_sock; struct btf_ptr; struct xdp_md;"""

FOOTER = "#endif"
