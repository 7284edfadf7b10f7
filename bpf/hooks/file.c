/* File hooks: decide by label. Those that make, move or remove names are in names.c.
 *   file_open      read, write; write and truncate (opening for execution is exec's affair)
 *   path_truncate  write and truncate
 *   file_truncate  write and truncate: by descriptor, and in open(2), where the kernel has this hook (6.1: path_truncate)
 *   path_chmod     attr
 *   path_chown     attr
 *   mmap_file      mapExec: a file is mapped executable, but for what exec itself maps
 *   file_mprotect  mapExec: a mapping of a file becomes executable
 * When a name cannot be read: undecided, the profile's fail mode. Files without any name (memfd, O_TMPFILE, unlinked) match no
 * pattern; files on mounts that only the kernel uses are not decided. */
#include "abi.h"
#include "file.h"

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

int lsm_path_truncate(unsigned long long *ctx)
{
        struct path *path = (struct path *)ctx[0];

        return on_path(path, (__u64)path->dentry, RF_FILE_WRITE | RF_FILE_TRUNCATE, type_of_dentry(path->dentry), 0);
}

int lsm_file_truncate(unsigned long long *ctx)
{
        struct path *path = &((struct file *)ctx[0])->f_path;

        return on_path(path, (__u64)path->dentry, RF_FILE_WRITE | RF_FILE_TRUNCATE, type_of_dentry(path->dentry), 0);
}

int lsm_path_chmod(unsigned long long *ctx)
{
        struct path *path = (struct path *)ctx[0];

        return on_path(path, (__u64)path->dentry, RF_FILE_ATTR, type_of_dentry(path->dentry), 0);
}

int lsm_path_chown(unsigned long long *ctx)
{
        struct path *path = (struct path *)ctx[0];

        return on_path(path, (__u64)path->dentry, RF_FILE_ATTR, type_of_dentry(path->dentry), 0);
}

/* Decide about mapping the file at an address. The program that is executed, and its loader, are opened for execution: class `exec`
 * decides about that. `path`: where the name that was asked for stands. */
RF_INLINE int on_mapping(__u64 file, __u64 at)
{
        struct path path = {};
        __u64 inode = 0;
        __u32 flags = 0;
        __u16 mode = 0;

        bpf_probe_read_kernel(&flags, sizeof(flags), (void *)(file + offsetof(struct file, f_flags)));
        if (flags & FLAG_EXEC)
                return 0;
        bpf_probe_read_kernel(&path, sizeof(path), (void *)at);
        bpf_probe_read_kernel(&inode, sizeof(inode), (void *)(file + offsetof(struct file, f_inode)));
        bpf_probe_read_kernel(&mode, sizeof(mode), (void *)(inode + offsetof(struct inode, i_mode)));
        return on_path(&path, (__u64)path.dentry, RF_FILE_MAPEXEC, type_of(mode), 0);
}

/* Memory without a file comes with NULL, which newer verifiers do not believe: they drop the question and keep the load behind it. The
 * address is therefore read as a number. */
int lsm_mmap_file(unsigned long long *ctx)
{
        __u64 file = 0;

        if (!(ctx[2] & PROT_EXEC))
                return 0;
        bpf_probe_read_kernel(&file, sizeof(file), ctx);
        return file ? on_mapping(file, file + offsetof(struct file, f_path)) : 0;
}

/* A mapping of a stacked file system's file is of the file beneath; the path that was asked for stands behind that, or, in kernels
 * without such files, in its place. */
RF_INLINE int on_file_mprotect(struct vm_area_struct *area, __u64 protection)
{
        __u64 file = (__u64)area->vm_file;
        __u32 mode = 0;

        if (!file || !(protection & PROT_EXEC) || (area->vm_flags & VM_EXEC))
                return 0;
        bpf_probe_read_kernel(&mode, sizeof(mode), (void *)(file + offsetof(struct file, f_mode)));
        return on_mapping(file, file + (mode & FMODE_BACKING ? sizeof(struct file) : offsetof(struct file, f_path)));
}

int lsm_file_mprotect(unsigned long long *ctx)
{
        return on_file_mprotect((struct vm_area_struct *)ctx[0], ctx[2]);
}
