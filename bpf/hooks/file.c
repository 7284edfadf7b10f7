/* File hooks: decide by label.
 *   file_open      read, write; write and truncate (opening for execution is exec's affair)
 *   path_truncate  write and truncate
 *   path_mknod     create: files, devices, fifos, sockets with a name; also open(2) with O_CREAT, before the file is there
 *   path_mkdir     create
 *   path_symlink   create
 * When a name cannot be read: undecided, the profile's fail mode. Files without any name (memfd, O_TMPFILE, unlinked) match no
 * pattern; files on mounts that only the kernel uses are not decided. */
#include "abi.h"
#include "path.h"

RF_INLINE __u32 operations_of(struct file *file)
{
        __u32 mode = file->f_mode, truncates = file->f_flags & O_TRUNC;

        _Static_assert(FMODE_READ == RF_FILE_READ && FMODE_WRITE == RF_FILE_WRITE, "bits");
        _Static_assert(O_TRUNC == RF_FILE_WRITE << 8 && O_TRUNC == RF_FILE_TRUNCATE << 2, "bits");
        mode &= RF_FILE_READ | RF_FILE_WRITE; /* bits, not branches: see struct rf_carried */
        return mode | truncates >> 8 | truncates >> 2;
}

/* A stacked file system opens its own file beneath the one that was asked for: decided already. */
RF_INLINE int opened_beneath(struct file *file)
{
        if (file->f_mode & FMODE_BACKING)
                return 1;
        return (file->f_mode & FMODE_NOACCOUNT) && file->f_inode != file->f_path.dentry->d_inode;
}

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

RF_INLINE int on_file_open(struct file *file)
{
        __u32 operations = operations_of(file);
        struct request req = {};
        int verdict = 0;

        if (!operations || (file->f_flags & FLAG_EXEC) || opened_beneath(file))
                return 0;
        if (request_begin(&req) && request_concerns(&req, RF_CLASS_FILE))
                verdict = file_decide(&req, operations, (__u64)file->f_path.dentry, (__u64)file->f_path.mnt,
                                      type_of(file->f_inode->i_mode), 0);
        request_end(&req);
        return verdict;
}

int lsm_file_open(unsigned long long *ctx)
{
        return on_file_open((struct file *)ctx[0]);
}

RF_INLINE int on_path(struct path *path, __u64 dentry, __u32 operations, __u32 type, int fresh)
{
        struct request req = {};
        int verdict = 0;

        if (request_begin(&req) && request_concerns(&req, RF_CLASS_FILE))
                verdict = file_decide(&req, operations, dentry, (__u64)path->mnt, type, fresh);
        request_end(&req);
        return verdict;
}

int lsm_path_truncate(unsigned long long *ctx)
{
        struct path *path = (struct path *)ctx[0];

        return on_path(path, (__u64)path->dentry, RF_FILE_WRITE | RF_FILE_TRUNCATE, type_of(path->dentry->d_inode->i_mode), 0);
}

int lsm_path_mknod(unsigned long long *ctx)
{
        return on_path((struct path *)ctx[0], ctx[1], RF_FILE_CREATE, ctx[2] & S_IFMT ? type_of(ctx[2]) : RF_TYPE_REGULAR, 1);
}

int lsm_path_mkdir(unsigned long long *ctx)
{
        return on_path((struct path *)ctx[0], ctx[1], RF_FILE_CREATE, RF_TYPE_DIRECTORY, 1);
}

int lsm_path_symlink(unsigned long long *ctx)
{
        return on_path((struct path *)ctx[0], ctx[1], RF_FILE_CREATE, RF_TYPE_SYMLINK, 1);
}
