/* File hooks: decide by label.
 *   file_open      read, write (opening for execution is exec's affair)
 *   path_truncate  write
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

        _Static_assert(FMODE_READ == RF_FILE_READ && FMODE_WRITE == RF_FILE_WRITE && O_TRUNC == RF_FILE_WRITE << 8, "bits");
        return (mode | truncates >> 8) & (RF_FILE_READ | RF_FILE_WRITE); /* bits, not branches: see struct rf_carried */
}

/* A stacked file system opens its own file beneath the one that was asked for: decided already. */
RF_INLINE int opened_beneath(struct file *file)
{
        if (file->f_mode & FMODE_BACKING)
                return 1;
        return (file->f_mode & FMODE_NOACCOUNT) && file->f_inode != file->f_path.dentry->d_inode;
}

RF_INLINE int file_decide(struct request *req, __u32 operations, __u64 dentry, __u64 mount, int fresh)
{
        struct question q = {.class_id = RF_CLASS_FILE, .operations = operations};

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
                verdict = file_decide(&req, operations, (__u64)file->f_path.dentry, (__u64)file->f_path.mnt, 0);
        request_end(&req);
        return verdict;
}

int lsm_file_open(unsigned long long *ctx)
{
        return on_file_open((struct file *)ctx[0]);
}

RF_INLINE int on_path(struct path *path, __u64 dentry, __u32 operations, int fresh)
{
        struct request req = {};
        int verdict = 0;

        if (request_begin(&req) && request_concerns(&req, RF_CLASS_FILE))
                verdict = file_decide(&req, operations, dentry, (__u64)path->mnt, fresh);
        request_end(&req);
        return verdict;
}

int lsm_path_truncate(unsigned long long *ctx)
{
        struct path *path = (struct path *)ctx[0];

        return on_path(path, (__u64)path->dentry, RF_FILE_WRITE, 0);
}

int lsm_path_mknod(unsigned long long *ctx)
{
        return on_path((struct path *)ctx[0], ctx[1], RF_FILE_CREATE, 1);
}

int lsm_path_mkdir(unsigned long long *ctx)
{
        return on_path((struct path *)ctx[0], ctx[1], RF_FILE_CREATE, 1);
}

int lsm_path_symlink(unsigned long long *ctx)
{
        return on_path((struct path *)ctx[0], ctx[1], RF_FILE_CREATE, 1);
}
