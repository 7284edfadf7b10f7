/* The real name of an object: walked from its dentry to the root of its mount namespace.
 *
 * The result lies in scratch->name from scratch->position to RF_PATH_MAX; the root directory itself is "/". A rename or a mount that
 * goes on meanwhile moves rename_lock or mount_lock; then every step is read again, and if one differs the name is undecided
 * (NAME_MOVING). A rename elsewhere in the tree changes no step and does no harm. */
#ifndef RINGFENCE_NAME_H
#define RINGFENCE_NAME_H

#include "abi.h"
#include "kernel.h"
#include "scratch.h"

/* What a walk found. */
enum name_kind {
        NAME_FOUND,
        NAME_NAMELESS,  /* never had a name here, or lost it */
        NAME_INTERNAL,  /* on a mount that only the kernel uses */
        NAME_UNDECIDED, /* the reason is beside it */
};

/* The members of a dentry that a walk needs stand side by side; what is read at once is checked here. */
struct dentry_window {
        __u64 parent;
        __u64 hash_len;
        __u64 name;
};
_Static_assert(offsetof(struct dentry, d_name) == offsetof(struct dentry, d_parent) + 8, "dentry window");
/* hash and length are the first 8 bytes of a qstr, the name's address the second. */
_Static_assert(offsetof(struct qstr, name) == 8, "qstr");

/* struct mount embeds the vfsmount that everyone sees. */
#define MOUNT_OF(vfsmount) ((vfsmount) - offsetof(struct mount, mnt))
_Static_assert(offsetof(struct mount, mnt_mountpoint) == offsetof(struct mount, mnt_parent) + 8, "mount window");

/* Read 8 bytes of the kernel. */
RF_INLINE __u64 word_read(struct rf_scratch *scratch, __u64 address)
{
        scratch->word = 0;
        bpf_probe_read_kernel(&scratch->word, 8, (void *)address);
        RF_FORGET();
        return scratch->word;
}

RF_INLINE __u64 tree_sequence(struct rf_scratch *scratch)
{
        bpf_probe_read_kernel(&scratch->renames, 4, (void *)RF_CONST_rename_lock);
        bpf_probe_read_kernel(&scratch->mounts, 4, (void *)RF_CONST_mount_lock);
        RF_FORGET();
        return ((__u64)scratch->renames << 32) | scratch->mounts;
}

/* An odd sequence: somebody is changing the tree now. */
RF_INLINE int tree_changing(__u64 sequence)
{
        return (sequence & 1) || ((sequence >> 32) & 1);
}

/* Read every step again: unchanged steps mean that all of them held at once. */
RF_INLINE int walk_holds(struct rf_scratch *scratch)
{
        RF_LOOP
        for (__u64 i = 0; i < RF_DEPTH_MAX; i++) {
                struct rf_step *step = &scratch->step[i & (RF_DEPTH_MAX - 1)], *seen = &scratch->seen;
                __u64 at, mount;

                RF_OPAQUE(i);
                if (i >= scratch->steps)
                        return 1;
                at = step->at;
                mount = at & 1;
                at &= ~1ULL;
                bpf_probe_read_kernel(
                        &seen->parent, sizeof(struct dentry_window),
                        (void *)(at + (mount ? offsetof(struct mount, mnt_parent) : offsetof(struct dentry, d_parent))));
                RF_FORGET();
                if (seen->parent != step->parent || seen->hash_len != step->hash_len || (!mount && seen->name != step->name))
                        return 0;
        }
        return 1;
}

/* From the root of one mount to the place where it is mounted. 0: it is mounted nowhere, the walk is done. */
RF_INLINE int walk_cross(struct rf_scratch *scratch, struct rf_step *step)
{
        __u64 mount = MOUNT_OF(scratch->mount);

        step->at = mount | 1;
        bpf_probe_read_kernel(&step->parent, 16, (void *)(mount + offsetof(struct mount, mnt_parent)));
        if (step->parent == mount)
                return 0;
        scratch->dentry = step->hash_len;
        mount = step->parent + offsetof(struct mount, mnt);
        scratch->mount = mount;
        bpf_probe_read_kernel(&scratch->mount_root, 8, (void *)(mount + offsetof(struct vfsmount, mnt_root)));
        return 1;
}

/* Prepend names from scratch->dentry on scratch->mount up to the root. Leaves an rf_reason in scratch->carried. */
RF_INLINE void walk_up(struct rf_scratch *scratch)
{
        scratch->position = RF_PATH_MAX;
        scratch->carried.reason = RF_REASON_NAME_TOO_DEEP;
        bpf_probe_read_kernel(&scratch->mount_root, 8, (void *)(scratch->mount + offsetof(struct vfsmount, mnt_root)));
        RF_LOOP
        for (__u64 i = 0; i < RF_DEPTH_MAX; i++) {
                struct rf_step *step = &scratch->step[i & (RF_DEPTH_MAX - 1)];
                __u64 dentry, length, position, at;

                scratch->steps = i;
                RF_FORGET();
                dentry = scratch->dentry;
                if (dentry == scratch->mount_root) {
                        if (walk_cross(scratch, step))
                                continue;
                        scratch->carried.reason = RF_REASON_DECIDED;
                        break;
                }
                step->at = dentry;
                bpf_probe_read_kernel(&step->parent, sizeof(struct dentry_window),
                                      (void *)(dentry + offsetof(struct dentry, d_parent)));
                if (step->parent == dentry) {
                        scratch->carried.reason = RF_REASON_NAME_DETACHED;
                        break;
                }
                length = (step->hash_len >> 32) & 255;
                position = scratch->position - length - 1 - (step->hash_len >> 40 << 13); /* longer than 255: far below 0 */
                if (position >= RF_PATH_MAX) {
                        scratch->carried.reason = RF_REASON_NAME_TOO_LONG;
                        break;
                }
                scratch->name[position & (RF_PATH_MAX - 1)] = '/';
                at = position + 1;
                RF_OPAQUE(at);
                at &= RF_PATH_MAX - 1;
                bpf_probe_read_kernel(&scratch->name[at], length, (void *)step->name);
                scratch->position = position;
                scratch->dentry = step->parent;
                RF_FORGET();
        }
        RF_FORGET();
}

/* On a mount that only the kernel uses? */
RF_INLINE int walk_internal(struct rf_scratch *scratch)
{
        return word_read(scratch, MOUNT_OF(scratch->mount) + offsetof(struct mount, mnt_ns)) == MNT_NS_INTERNAL;
}

/* In whose mount namespace did the walk end? Only the subject's own names mean anything to it. */
RF_INLINE void root_check(struct rf_scratch *scratch, __u64 task)
{
        __u64 namespace = word_read(scratch, MOUNT_OF(scratch->mount) + offsetof(struct mount, mnt_ns));
        __u64 own = word_read(scratch,
                              word_read(scratch, task + offsetof(struct task_struct, nsproxy)) + offsetof(struct nsproxy, mnt_ns));

        if (namespace == MNT_NS_INTERNAL)
                scratch->carried.kind = NAME_INTERNAL;
        else if (!namespace || namespace != own)
                scratch->carried.reason = RF_REASON_NAME_DETACHED;
        else
                scratch->carried.kind = NAME_FOUND;
}

/* Whether the object has lost its name, or never had one. */
RF_INLINE int name_gone(struct rf_scratch *scratch, __u64 dentry)
{
        if (word_read(scratch, dentry + offsetof(struct dentry, d_parent)) == dentry)
                return 0; /* a root is not hashed */
        return !word_read(scratch, dentry + offsetof(struct dentry, d_hash) + offsetof(struct hlist_bl_node, pprev));
}

/* The name of `dentry` on `mount` (addresses), as `task` sees it. `fresh`: the object is being made and is not in the tree yet.
 * Leaves a name_kind and an rf_reason in scratch->carried. */
RF_INLINE void name_read(struct rf_scratch *scratch, __u64 task, __u64 dentry, __u64 mount, int fresh)
{
        scratch->carried.kind = NAME_UNDECIDED;
        scratch->carried.reason = RF_REASON_DECIDED;
        scratch->dentry = dentry;
        scratch->mount = mount;
        scratch->sequence = tree_sequence(scratch);
        if (!fresh && name_gone(scratch, dentry)) {
                scratch->carried.kind = NAME_NAMELESS;
                return;
        }
        walk_up(scratch);
        if (scratch->carried.reason != RF_REASON_DECIDED) {
                /* Kernel-only mounts of pseudo file systems have a root that is its own parent. */
                if (scratch->carried.reason == RF_REASON_NAME_DETACHED && walk_internal(scratch)) {
                        scratch->carried.kind = NAME_INTERNAL;
                        scratch->carried.reason = RF_REASON_DECIDED;
                }
                return;
        }
        if ((tree_changing(scratch->sequence) || tree_sequence(scratch) != scratch->sequence) && !walk_holds(scratch)) {
                scratch->carried.reason = RF_REASON_NAME_MOVING;
                return;
        }
        if (scratch->position == RF_PATH_MAX) {
                scratch->name[RF_PATH_MAX - 1] = '/';
                scratch->position = RF_PATH_MAX - 1;
        }
        root_check(scratch, task);
}

#endif
