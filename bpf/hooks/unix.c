/* Network hooks of LSM for unix sockets: decide by their names, where a profile names some, or their family.
 *   unix_stream_connect  connect: streams and sequenced packets; the name is the one that the listening socket is bound to
 *   unix_may_send        datagrams: send to the peer that the socket is connected to; connect and send to any other, which is also
 *                        what connecting to it asks: the hook does not tell the two apart
 *   socket_sendmsg       send: streams and sequenced packets
 *   socket_bind          bind of an abstract name
 *   path_mknod           bind of a path, by the name that it will have: here alone it is real
 *   socket_listen        listen, by the own name
 * When a name cannot be read: undecided, the profile's fail mode. A socket without a name, or whose name was removed, matches no
 * pattern. One that was bound in another mount namespace has a name there alone: undecided. */
#include "abi.h"
#include "path.h"
#include "unix.h"

RF_INLINE int on_unix(__u64 sock, __u32 operations)
{
        struct request req = {};
        int verdict = 0;

        if (unix_begin(&req, operations))
                verdict = bound_decide(&req, operations, sock);
        request_end(&req);
        return verdict;
}

int lsm_unix_stream_connect(unsigned long long *ctx)
{
        return on_unix(ctx[1], RF_NETWORK_CONNECT);
}

RF_INLINE int on_unix_may_send(struct socket *socket, struct socket *other)
{
        __u64 peer = 0, to = 0;
        struct sock *sk = socket->sk;

        _Static_assert(RF_NETWORK_CONNECT == 1, "bits");
        if (!sk)
                return 0;
        bpf_probe_read_kernel(&to, 8, &other->sk); /* a number: pointers are not compared by bits */
        bpf_probe_read_kernel(&peer, 8, (void *)((__u64)sk + offsetof(struct unix_sock, peer)));
        peer ^= to;
        peer |= -peer; /* the highest bit: another one; bits, not branches */
        RF_OPAQUE(peer);
        return on_unix(to, RF_NETWORK_SEND | peer >> 63);
}

int lsm_unix_may_send(unsigned long long *ctx)
{
        return on_unix_may_send((struct socket *)ctx[0], (struct socket *)ctx[1]);
}

RF_INLINE int on_unix_sendmsg(struct socket *socket)
{
        struct sock *sk = socket->sk;
        __u64 peer = 0;

        if (!sk || sk->__sk_common.skc_family != AF_UNIX || socket->type == SOCK_DGRAM)
                return 0;
        bpf_probe_read_kernel(&peer, 8, (void *)((__u64)sk + offsetof(struct unix_sock, peer)));
        return peer ? on_unix(peer, RF_NETWORK_SEND) : 0; /* not connected: it sends nothing */
}

int lsm_unix_sendmsg(unsigned long long *ctx)
{
        return on_unix_sendmsg((struct socket *)ctx[0]);
}

/* A path is decided when it is made; without a name the kernel chooses one. */
RF_INLINE int on_unix_bind(struct socket *socket, __u64 address, __u32 length)
{
        struct question q = {.class_id = RF_CLASS_NETWORK, .operations = RF_NETWORK_BIND};
        struct sock *sk = socket->sk;
        struct request req = {};
        int verdict = 0;
        __u8 first = 1;

        if (!sk || sk->__sk_common.skc_family != AF_UNIX || length < UNIX_ADDRESS_HEAD || length > UNIX_ADDRESS_MAX)
                return 0;
        bpf_probe_read_kernel(&first, 1, (void *)(address + UNIX_ADDRESS_HEAD - 1));
        if (first)
                return 0;
        if (unix_begin(&req, RF_NETWORK_BIND)) {
                if (request_scratch(&req)) {
                        request_carry(&req, &q);
                        abstract_read(req.scratch, address, length);
                        question_label(&req, &q, RF_COLUMN_UNIX);
                } else {
                        req.reason = RF_REASON_SCRATCH_BUSY;
                }
                question_unix(&req, &q);
                verdict = request_enforce(&req, &q);
        }
        request_end(&req);
        return verdict;
}

int lsm_unix_bind(unsigned long long *ctx)
{
        return on_unix_bind((struct socket *)ctx[0], ctx[1], ctx[2]);
}

RF_INLINE int on_unix_mknod(struct path *directory, __u64 dentry, __u32 mode)
{
        struct question q = {.class_id = RF_CLASS_NETWORK, .operations = RF_NETWORK_BIND};
        struct request req = {};
        int verdict = 0;

        if ((mode & S_IFMT) != S_IFSOCK)
                return 0;
        if (unix_begin(&req, RF_NETWORK_BIND)) {
                if (request_scratch(&req)) {
                        request_carry(&req, &q);
                        name_read(req.scratch, (__u64)req.task, dentry, (__u64)directory->mnt, 1);
                        question_label(&req, &q, RF_COLUMN_UNIX);
                } else {
                        req.reason = RF_REASON_SCRATCH_BUSY;
                }
                question_unix(&req, &q);
                verdict = request_enforce(&req, &q);
        }
        request_end(&req);
        return verdict;
}

int lsm_unix_mknod(unsigned long long *ctx)
{
        return on_unix_mknod((struct path *)ctx[0], ctx[1], ctx[2]);
}

RF_INLINE int on_unix_listen(struct socket *socket)
{
        struct sock *sk = socket->sk;

        if (!sk || sk->__sk_common.skc_family != AF_UNIX)
                return 0;
        return on_unix((__u64)sk, RF_NETWORK_LISTEN);
}

int lsm_unix_listen(unsigned long long *ctx)
{
        return on_unix_listen((struct socket *)ctx[0]);
}
