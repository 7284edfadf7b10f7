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

struct name_result {
        __u32 kind;
        __u32 reason;
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

RF_INLINE __u64 tree_sequence(void)
{
        __u32 renames = 0, mounts = 0;

        bpf_probe_read_kernel(&renames, sizeof(renames), (void *)RF_CONST_rename_lock);
        bpf_probe_read_kernel(&mounts, sizeof(mounts), (void *)RF_CONST_mount_lock);
        return ((__u64)renames << 32) | mounts;
}

/* An odd sequence: somebody is changing the tree now. */
RF_INLINE int tree_changing(__u64 sequence)
{
        return (sequence & 1) || ((sequence >> 32) & 1);
}

/* Read every step again: unchanged steps mean that all of them held at once. */
RF_INLINE int walk_holds(struct rf_scratch *scratch)
{
        __u32 steps = scratch->steps;

        RF_LOOP
        for (__u32 i = 0; i < RF_DEPTH_MAX; i++) {
                struct rf_step *step;
                __u64 seen[3] = {};
                __u64 at, mount;

                RF_OPAQUE(i);
                if (i >= steps)
                        return 1;
                step = &scratch->step[i & (RF_DEPTH_MAX - 1)];
                at = step->at;
                mount = at & 1;
                at &= ~1ULL;
                bpf_probe_read_kernel(
                        seen, sizeof(seen),
                        (void *)(at + (mount ? offsetof(struct mount, mnt_parent) : offsetof(struct dentry, d_parent))));
                if (seen[0] != step->parent || seen[1] != step->hash_len || (!mount && seen[2] != step->name))
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

/* Prepend names from scratch->dentry on scratch->mount up to the root. Returns an rf_reason. */
RF_INLINE __u32 walk_up(struct rf_scratch *scratch)
{
        scratch->position = RF_PATH_MAX;
        bpf_probe_read_kernel(&scratch->mount_root, 8, (void *)(scratch->mount + offsetof(struct vfsmount, mnt_root)));
        RF_LOOP
        for (__u64 i = 0; i < RF_DEPTH_MAX; i++) {
                struct rf_step *step = &scratch->step[i & (RF_DEPTH_MAX - 1)];
                __u64 dentry = scratch->dentry, length, position, at;

                scratch->steps = i;
                RF_FORGET();
                if (dentry == scratch->mount_root) {
                        if (!walk_cross(scratch, step))
                                return RF_REASON_DECIDED;
                        continue;
                }
                step->at = dentry;
                bpf_probe_read_kernel(&step->parent, sizeof(struct dentry_window),
                                      (void *)(dentry + offsetof(struct dentry, d_parent)));
                if (step->parent == dentry)
                        return RF_REASON_NAME_DETACHED;
                length = (step->hash_len >> 32) & 255;
                position = scratch->position - length - 1 - (step->hash_len >> 40 << 13); /* longer than 255: far below 0 */
                if (position >= RF_PATH_MAX)
                        return RF_REASON_NAME_TOO_LONG;
                scratch->name[position & (RF_PATH_MAX - 1)] = '/';
                at = position + 1;
                RF_OPAQUE(at);
                at &= RF_PATH_MAX - 1;
                bpf_probe_read_kernel(&scratch->name[at], length, (void *)step->name);
                scratch->position = position;
                scratch->dentry = step->parent;
                RF_FORGET();
        }
        return RF_REASON_NAME_TOO_DEEP;
}

/* In whose mount namespace did the walk end? Only the subject's own names mean anything to it. */
RF_INLINE struct name_result root_of(struct rf_scratch *scratch, struct task_struct *task)
{
        struct name_result result = {NAME_FOUND, RF_REASON_DECIDED};
        __u64 namespace = 0, own = 0, proxy = 0;

        bpf_probe_read_kernel(&namespace, 8, (void *)(MOUNT_OF(scratch->mount) + offsetof(struct mount, mnt_ns)));
        if (namespace == MNT_NS_INTERNAL) {
                result.kind = NAME_INTERNAL;
                return result;
        }
        bpf_probe_read_kernel(&proxy, 8, (void *)((__u64)task + offsetof(struct task_struct, nsproxy)));
        bpf_probe_read_kernel(&own, 8, (void *)(proxy + offsetof(struct nsproxy, mnt_ns)));
        if (!namespace || namespace != own) {
                result.kind = NAME_UNDECIDED;
                result.reason = RF_REASON_NAME_DETACHED;
        }
        return result;
}

/* The name of `dentry` on `mount` (addresses), as `task` sees it. `fresh`: the object is being made and is not in the tree yet. */
RF_INLINE struct name_result name_read(struct rf_scratch *scratch, struct task_struct *task, __u64 dentry, __u64 mount, int fresh)
{
        struct name_result result = {NAME_UNDECIDED, RF_REASON_NAME_DETACHED};
        __u64 sequence = tree_sequence(), parent = 0, hashed = 0;

        scratch->dentry = dentry;
        scratch->mount = mount;
        bpf_probe_read_kernel(&parent, 8, (void *)(dentry + offsetof(struct dentry, d_parent)));
        if (parent != dentry && !fresh) {
                bpf_probe_read_kernel(&hashed, 8,
                                      (void *)(dentry + offsetof(struct dentry, d_hash) + offsetof(struct hlist_bl_node, pprev)));
                if (!hashed) {
                        result.kind = NAME_NAMELESS;
                        result.reason = RF_REASON_DECIDED;
                        return result;
                }
        }
        result.reason = walk_up(scratch);
        RF_FORGET();
        if (result.reason != RF_REASON_DECIDED) {
                /* Kernel-only mounts of pseudo file systems have a root that is its own parent. */
                struct name_result root = root_of(scratch, task);

                if (result.reason == RF_REASON_NAME_DETACHED && root.kind == NAME_INTERNAL)
                        return root;
                return result;
        }
        if ((tree_changing(sequence) || tree_sequence() != sequence) && !walk_holds(scratch)) {
                result.reason = RF_REASON_NAME_MOVING;
                return result;
        }
        if (scratch->position == RF_PATH_MAX) {
                scratch->name[RF_PATH_MAX - 1] = '/';
                scratch->position = RF_PATH_MAX - 1;
        }
        return root_of(scratch, task);
}

#endif
