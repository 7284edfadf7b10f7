/* Hooks of names: decide by label. Each has the directory and the name in it, under the directory's lock.
 *   path_mknod    create: files, devices, fifos, sockets with a name; also open(2) with O_CREAT, before the file is there
 *   path_mkdir    create
 *   path_symlink  create
 *   path_unlink   delete
 *   path_rmdir    delete
 * When a name cannot be read: undecided, the profile's fail mode. */
#include "abi.h"
#include "file.h"

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

RF_INLINE int on_removal(struct path *directory, struct dentry *dentry)
{
        return on_path(directory, (__u64)dentry, RF_FILE_DELETE, type_of_dentry(dentry), 1);
}

int lsm_path_unlink(unsigned long long *ctx)
{
        return on_removal((struct path *)ctx[0], (struct dentry *)ctx[1]);
}

int lsm_path_rmdir(unsigned long long *ctx)
{
        return on_removal((struct path *)ctx[0], (struct dentry *)ctx[1]);
}
