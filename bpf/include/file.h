/* Questions about files, and the ways to them that hooks have in common. */
#ifndef RINGFENCE_FILE_H
#define RINGFENCE_FILE_H

#include "abi.h"
#include "path.h"

/* In the order of the mode's numbers: fifo 1, character device 2, directory 4, block device 6, regular 8, symlink 10, socket 12. */
#define TYPE_AT(mode, type) ((__u64)(type) << (mode) * 4)
#define TYPE_NIBBLES                                                                                                          \
        (TYPE_AT(1, RF_TYPE_FIFO) | TYPE_AT(2, RF_TYPE_DEVICE) | TYPE_AT(4, RF_TYPE_DIRECTORY) | TYPE_AT(6, RF_TYPE_DEVICE) | \
         TYPE_AT(8, RF_TYPE_REGULAR) | TYPE_AT(10, RF_TYPE_SYMLINK) | TYPE_AT(12, RF_TYPE_SOCKET))

/* The type in an inode's mode, by a table of nibbles that the mode's top four bits index. */
RF_INLINE __u32 type_of(__u32 mode)
{
        return TYPE_NIBBLES >> (mode >> 12 & 15) * 4 & 15;
}

RF_INLINE int file_decide(struct request *req, __u32 operations, __u64 dentry, __u64 mount, __u32 type, int fresh)
{
        struct question q = {.class_id = RF_CLASS_FILE, .operations = operations, .parts = {0, type}};

        if (question_path(req, &q, dentry, mount, fresh) == NAME_INTERNAL)
                return 0;
        return request_enforce(req, &q);
}

RF_INLINE __u32 type_of_dentry(struct dentry *dentry)
{
        return type_of(dentry->d_inode->i_mode);
}

/* `path`: where the mount is taken from. `fresh`: `dentry` has the name that was just looked for, in the tree or not yet. */
RF_INLINE int on_path(struct path *path, __u64 dentry, __u32 operations, __u32 type, int fresh)
{
        struct request req = {};
        int verdict = 0;

        if (request_begin(&req) && request_concerns(&req, RF_CLASS_FILE))
                verdict = file_decide(&req, operations, dentry, (__u64)path->mnt, type, fresh);
        request_end(&req);
        return verdict;
}

#endif
