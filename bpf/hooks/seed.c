/* Tasks that were there before the hooks: an iterator over all of them, run by the agent when the hooks are attached.
 *   bpf_iter_task  executable and cgroup are noted for every task that has no facts yet
 * What their memory map says is believed once: `seeded`. A task that is missed is unseen: armed in scope, its subject unknown. */
#include "abi.h"
#include "path.h"

/* mnt and dentry, read at once. */
_Static_assert(offsetof(struct path, mnt) == 0 && offsetof(struct path, dentry) == 8, "path");

/* For a task that executed its program before the hooks were there: believe what its memory map says, once. */
RF_INLINE void facts_seed(struct request *req)
{
        __u64 mm = (__u64)req->task->mm, file = 0, path[2] = {};
        __u32 exec_id = req->task->self_exec_id; /* before the file: an exec in between makes the facts stale, not wrong */

        if (!mm || !request_scratch(req))
                return;
        bpf_probe_read_kernel(&file, 8, (void *)(mm + offsetof(struct mm_struct, exe_file)));
        if (!file)
                return;
        bpf_probe_read_kernel(path, sizeof(path), (void *)(file + offsetof(struct file, f_path)));
        name_read(req->scratch, (__u64)req->task, path[1], path[0], 0);
        if (req->scratch->carried.kind == NAME_FOUND) {
                facts_record(req, req->facts, RF_TASK_SEEDED);
                req->facts->exec_id = exec_id;
        }
}

RF_INLINE void on_task_met(struct task_struct *task)
{
        struct request req = {.task = task};

        if (task->flags & PF_KTHREAD)
                return;
        req.facts = bpf_task_storage_get(RF_MAP_tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
        if (!req.facts) {
                total_add(RF_TOTAL_TASKS_LOST);
                return;
        }
        if (req.facts->flags & RF_TASK_EXE_KNOWN)
                return;
        facts_seed(&req);
        if (req.facts->arming == RF_TASK_UNSEEN) {
                request_generation(&req);
                req.facts->cgroup = task->cgroups->dfl_cgrp->kn->id;
                req.facts->exec_cgroup = req.facts->cgroup;
                req.facts->seen = req.epoch;
        }
        request_end(&req);
}

int iter_task(struct bpf_iter__task *ctx)
{
        struct task_struct *task = ctx->task;

        if (task)
                on_task_met(task);
        return 0;
}
