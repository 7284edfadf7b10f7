/* Memory for names, claimed by one program at a time.
 *
 * Programs are preemptible, so per-processor scratch can be overwritten by another task on the same processor, and preempted
 * programs do not end in the order in which they began. A program therefore claims one of RF_SCRATCH_SLOTS of its processor: it adds
 * one to the claims of a slot and owns it if it then reads one; else it takes its claim back and tries the next. Nobody else on this
 * processor can read one before the owner has gone, and other processors have slots of their own. */
#ifndef RINGFENCE_SCRATCH_H
#define RINGFENCE_SCRATCH_H

#include "abi.h"
#include "kernel.h"

/* One step of a walk towards the root, kept so that the whole walk can be checked against the tree again. */
struct rf_step {
        __u64 at; /* dentry; or vfsmount with bit 0 set, where the walk crossed to the parent mount */
        __u64 parent;
        __u64 hash_len; /* of a mount: its mount point */
        __u64 name;
};

/* The numbers of a request, kept here while a name is read: what comes out of memory again is the same to the verifier on every path,
 * so that it follows what comes after a loop once and not once for each turn. */
struct rf_carried {
        __u64 generation;
        __u64 cgroup;
        __u64 kind;
        __u64 reason;
        __u64 label;
        __u64 operations;
        __u64 slot;
        __u64 profile_number;
        __u64 domain;
        __u64 processors;
        __u64 type; /* enum rf_file_type */
};

#define RF_NAME_SLACK (RF_PATH_MAX + 64U) /* copies of fixed size begin anywhere in a name, and the verifier adds the bounds */

struct rf_scratch {
        __u64 claims;
        __u64 dentry; /* the walk's state lives in memory so that the verifier's states converge */
        __u64 mount;
        __u64 mount_root;
        __u64 position;
        __u64 steps;
        __u64 sequence; /* of the tree before the walk */
        __u64 word;     /* what was read last from the kernel: here and not on the stack, for the same reason */
        __u32 renames;
        __u32 mounts;
        struct rf_step seen;
        struct rf_carried carried;
        struct rf_step step[RF_DEPTH_MAX];
        struct rf_name header;                  /* room for a name record's header when the name fills the buffer */
        __u8 name[RF_PATH_MAX + RF_NAME_SLACK]; /* grows downwards from RF_PATH_MAX */
};

RF_INLINE struct rf_scratch *scratch_claim(void)
{
        __u64 base = bpf_get_smp_processor_id() * RF_SCRATCH_SLOTS;

        RF_LOOP
        for (__u64 i = 0; i < RF_SCRATCH_SLOTS; i++) {
                struct rf_scratch *scratch = RF_AT(RF_MAP_scratch, base + i);

                if (!scratch)
                        return 0;
                __sync_fetch_and_add(&scratch->claims, 1);
                if (*(volatile __u64 *)&scratch->claims == 1)
                        return scratch;
                __sync_fetch_and_add(&scratch->claims, -1);
        }
        return 0;
}

RF_INLINE void scratch_release(struct rf_scratch *scratch)
{
        __sync_fetch_and_add(&scratch->claims, -1);
}

#endif
