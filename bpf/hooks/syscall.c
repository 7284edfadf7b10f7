/* The system call tracepoint: attached only while a live policy names system calls.
 *   sys_enter  call: observed, or the process is killed; these kernels give no program the power to refuse one here */
#include "abi.h"
#include "decide.h"

RF_INLINE void on_sys_enter(__u64 number)
{
        struct question q = {.class_id = RF_CLASS_SYSCALL, .operations = RF_SYSCALL_CALL, .refusal = REFUSES_NOTHING};
        struct request req = {};
        const __u32 *words;

        if (number >= RF_SYSCALLS)
                return;
        if (request_begin(&req) && request_concerns(&req, RF_CLASS_SYSCALL)) {
                words = table_of(RF_MAP_words, req.slot, 0);
                if (words && req.profile && req.profile->syscalls)
                        q.parts[0] = words[(req.profile->syscalls + number) & (RF_WORDS - 1)];
                else
                        req.reason = RF_REASON_TABLE_MISSING;
                q.syscall = number;
                request_enforce(&req, &q);
        }
        request_end(&req);
}

int tp_sys_enter(unsigned long long *ctx)
{
        on_sys_enter(ctx[1]);
        return 0;
}
