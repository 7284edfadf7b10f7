/* Exec hooks, and what tasks carry from program to program.
 *   bprm_check_security   exec: the file that was asked for, and the interpreter a `#!` line names, each as a request of its own
 *   bprm_committed_creds  the executable is recorded; in a scope the task is armed
 *   task_alloc            a child begins with its parent's facts
 *   cgroup_attach_task    (tracepoint) where a task was moved to, and when
 * When a name cannot be read: undecided, the profile's fail mode. When facts cannot be stored: RF_TOTAL_TASKS_LOST, and the task's
 * subject is unknown. */
#include "abi.h"
#include "path.h"

RF_INLINE int on_exec_check(struct linux_binprm *bprm)
{
        struct question q = {.class_id = RF_CLASS_EXEC, .operations = RF_EXEC_EXEC};
        struct request req = {};
        int verdict = 0;

        if (request_begin(&req) && request_concerns(&req, RF_CLASS_EXEC)) {
                struct file *file = bprm->file;

                question_path(&req, &q, (__u64)file->f_path.dentry, (__u64)file->f_path.mnt, 0);
                verdict = request_enforce(&req, &q);
        }
        request_end(&req);
        return verdict;
}

int lsm_bprm_check_security(unsigned long long *ctx)
{
        return on_exec_check((struct linux_binprm *)ctx[0]);
}

/* Cannot refuse any more: what fails here leaves the subject unknown. */
RF_INLINE void on_exec_committed(struct linux_binprm *bprm)
{
        struct request req = {.task = bpf_get_current_task_btf()};
        struct file *file = bprm->file;

        req.facts = bpf_task_storage_get(RF_MAP_tasks, req.task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
        if (!req.facts) {
                total_add(RF_TOTAL_TASKS_LOST);
                return;
        }
        req.facts->flags = 0;
        req.facts->epoch = 0;
        if (request_scratch(&req)) {
                name_read(req.scratch, (__u64)req.task, (__u64)file->f_path.dentry, (__u64)file->f_path.mnt, 0);
                if (req.scratch->carried.kind == NAME_FOUND)
                        facts_record(&req, req.facts, 0);
        }
        req.cgroup = bpf_get_current_cgroup_id();
        if (request_generation(&req) && scope_nearest(&req))
                req.facts->arming = RF_TASK_ARMED;
        else
                req.facts->arming = RF_TASK_OUTSIDE;
        req.facts->cgroup = req.cgroup;
        req.facts->exec_cgroup = req.cgroup;
        req.facts->seen = req.epoch;
        request_end(&req);
}

int lsm_bprm_committed_creds(unsigned long long *ctx)
{
        on_exec_committed((struct linux_binprm *)ctx[0]);
        return 0;
}

/* Threads, children and the workers of io_uring alike. */
RF_INLINE void on_task_alloc(struct task_struct *child, __u64 flags)
{
        struct rf_task *parent, *facts;

        parent = bpf_task_storage_get(RF_MAP_tasks, bpf_get_current_task_btf(), 0, 0);
        if (!parent && !(flags & CLONE_INTO_CGROUP))
                return; /* never met: the child is as unknown as its parent */
        facts = bpf_task_storage_get(RF_MAP_tasks, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
        if (!facts) {
                total_add(RF_TOTAL_TASKS_LOST);
                return;
        }
        if (!parent) {
                facts->arming = RF_TASK_OUTSIDE; /* it is born elsewhere than its parent lives */
                return;
        }
        bpf_probe_read_kernel(facts, sizeof(*facts), parent);
}

int lsm_task_alloc(unsigned long long *ctx)
{
        on_task_alloc((struct task_struct *)ctx[0], ctx[1]);
        return 0;
}

/* A task that is moved: remember where it is now, so that a later push can tell who was inside already. */
RF_INLINE void on_cgroup_attach(struct cgroup *destination, struct task_struct *task)
{
        struct request req = {};
        struct rf_task *facts;

        if (destination->root->hierarchy_id)
                return; /* a hierarchy of cgroup v1 */
        facts = bpf_task_storage_get(RF_MAP_tasks, task, 0, 0);
        if (!facts)
                return;
        if (facts->arming == RF_TASK_UNSEEN || facts->arming == RF_TASK_ARMED)
                return; /* looked up anew at its next request, since its cgroup differs, and armed then */
        if (!request_generation(&req))
                req.epoch = 0;
        facts->cgroup = destination->kn->id;
        facts->seen = req.epoch;
        facts->epoch = 0;
}

int tp_cgroup_attach_task(unsigned long long *ctx)
{
        on_cgroup_attach((struct cgroup *)ctx[0], (struct task_struct *)ctx[2]);
        return 0;
}
