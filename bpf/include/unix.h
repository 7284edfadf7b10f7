/* Questions about unix sockets: the name is the part of them that rules ask for, a path or `@` and the bytes of an abstract name. */
#ifndef RINGFENCE_UNIX_H
#define RINGFENCE_UNIX_H

#include "abi.h"
#include "decide.h"
#include "path.h"
#include "peer.h"
#include "request.h"

#define UNIX_ADDRESS_HEAD 3U /* bytes before an abstract name in an address: the family, and the NUL that makes it one */
#define UNIX_ADDRESS_MAX 110U

/* Whether the profile asks about unix sockets: by their names, or as a family. To others they are not network peers. */
RF_INLINE int unix_concerns(struct request *req)
{
        const __u32 *words = table_of(RF_MAP_words, req->slot, 0);
        struct rf_profile *profile = req->profile;

        return !profile || !words || profile->unix_base || byte_class(words, profile->families, AF_UNIX) > PART_NONE;
}

/* Put an abstract name into scratch as if it had been walked to: `address` and `length` are those of its struct sockaddr_un. */
RF_INLINE void abstract_read(struct rf_scratch *scratch, __u64 address, __u64 length)
{
        __u64 position;

        scratch->carried.reason = RF_REASON_DECIDED;
        scratch->carried.kind = NAME_NAMELESS;
        length -= UNIX_ADDRESS_HEAD;
        RF_OPAQUE(length);
        if (!address || length > UNIX_ADDRESS_MAX - UNIX_ADDRESS_HEAD)
                return;
        position = RF_PATH_MAX - 1 - length;
        scratch->position = position;
        scratch->name[position & (RF_PATH_MAX - 1)] = '@';
        position++;
        RF_OPAQUE(position);
        position &= 2 * RF_PATH_MAX - 1; /* the empty name ends where it begins */
        if (position <= RF_PATH_MAX)
                bpf_probe_read_kernel(&scratch->name[position], length, (void *)(address + UNIX_ADDRESS_HEAD));
        scratch->carried.kind = NAME_FOUND;
}

/* The name that a socket (the address of a struct unix_sock) was bound to: the real name of its inode, as `task` sees it, or its
 * abstract name. Clients have none as a rule. */
RF_INLINE void bound_read(struct rf_scratch *scratch, __u64 task, __u64 sock)
{
        __u64 path = sock + offsetof(struct unix_sock, path), address, length;
        __u64 dentry = word_read(scratch, path + offsetof(struct path, dentry));

        if (dentry) {
                name_read(scratch, task, dentry, word_read(scratch, path + offsetof(struct path, mnt)), 0);
                return;
        }
        address = word_read(scratch, sock + offsetof(struct unix_sock, addr));
        length = address ? word_read(scratch, address + offsetof(struct unix_address, len)) & 0xffffffff : 0;
        abstract_read(scratch, address ? address + offsetof(struct unix_address, name) : 0, length);
}

/* From the meaning of the name in parts[0] to the whole object. */
RF_INLINE void question_unix(struct request *req, struct question *q)
{
        const __u32 *words = table_of(RF_MAP_words, req->slot, 0);
        struct rf_profile *profile = req->profile;

        if (!words || !profile)
                return;
        q->family = AF_UNIX;
        q->parts[0] = blurred(words, profile->unix_base ? profile->unix_base + q->parts[0] : PART_NONE);
        q->parts[1] = blurred(words, profile->ports ? PART_NONE : 0);
        q->parts[2] = blurred(words, byte_class(words, profile->protocols, 0));
        q->parts[3] = blurred(words, byte_class(words, profile->families, AF_UNIX));
}

/* Begin a request about unix sockets. 0: nothing to decide. */
RF_INLINE int unix_begin(struct request *req, __u32 operations)
{
        return request_begin(req) && request_asks(req, RF_CLASS_NETWORK, operations) && unix_concerns(req);
}

/* Decide operations on the socket at `sock`, by the name that it is bound to. */
RF_INLINE int bound_decide(struct request *req, __u32 operations, __u64 sock)
{
        struct question q = {.class_id = RF_CLASS_NETWORK, .operations = operations};

        if (request_scratch(req)) {
                request_carry(req, &q);
                bound_read(req->scratch, (__u64)req->task, sock);
                question_label(req, &q, RF_COLUMN_UNIX);
        } else {
                req->reason = RF_REASON_SCRATCH_BUSY;
        }
        question_unix(req, &q);
        return request_enforce(req, &q);
}

#endif
