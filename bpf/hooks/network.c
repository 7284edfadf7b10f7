/* Network hooks of LSM: decide by the label of a peer, or of the own address.
 *   socket_create   create, by family and protocol
 *   socket_bind     bind
 *   socket_listen   listen: the address that the socket is bound to
 *   socket_connect  connect
 *   socket_sendmsg  send; connect and send where a message names its peer itself: datagrams, raw sockets, TCP Fast Open
 * Netlink sockets are not network peers, unix sockets have hooks of their own, and the kernel's sockets are its own affair; only
 * creating reaches all families. A family that has no addresses we know matches rules without `to` only. */
#include "abi.h"
#include "peer.h"

/* Sockets that are decided by their addresses. */
RF_INLINE int addressed(struct sock *sk)
{
        return sk && sk->__sk_common.skc_family != AF_NETLINK && sk->__sk_common.skc_family != AF_UNIX && !sk->sk_kern_sock;
}

/* Read an address that was given with a call, and that the kernel has copied already. 0: there is none to decide about. */
RF_INLINE int peer_read(struct peer *peer, struct sock *sk, __u64 address, __u32 length, __u32 operations)
{
        __u16 own, protocol;
        __u8 raw[28] = {};

        if (length < 2)
                return 0;
        own = sk->__sk_common.skc_family;
        protocol = sk->sk_protocol;
        bpf_probe_read_kernel(raw, 2, (void *)address);
        peer->family = raw[0] | (__u16)raw[1] << 8;
        peer->socket_family = own;
        if (own == AF_PACKET)
                peer->family = AF_PACKET; /* which never looks at what the address says of itself */
        if (peer->family == AF_UNSPEC) {
                if (operations == RF_NETWORK_CONNECT ||
                    (own == AF_INET6 && (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE)))
                        return 0; /* takes a peer away; raw sockets, L2TP and IPv4 read it as an address when they send */
                peer->family = own;
        }
        if (operations == RF_NETWORK_BIND && own == AF_INET)
                peer->family = own; /* raw sockets never look at what the address says of itself */
        peer->protocol = protocol_of(protocol);
        if (peer->family == AF_INET && length >= 8) {
                __u32 ipv4;

                bpf_probe_read_kernel(raw, 8, (void *)address);
                __builtin_memcpy(&ipv4, &raw[4], 4);
                peer_ipv4(peer, ipv4);
        } else if (peer->family == AF_INET6 && length >= 24) {
                bpf_probe_read_kernel(raw, 24, (void *)address);
                __builtin_memcpy(peer->address, &raw[8], 16);
                peer->addressed = 1;
        }
        if (peer->addressed)
                peer->port = (__u16)raw[2] << 8 | raw[3];
        return 1;
}

/* The address that stands in the socket: the peer's, or the own one. 0: it has no peer. */
RF_INLINE int peer_held(struct peer *peer, struct sock *sk, int own)
{
        __u64 halves[2] = {};

        peer->family = peer->socket_family = sk->__sk_common.skc_family;
        peer->protocol = protocol_of(sk->sk_protocol);
        if (peer->family != AF_INET && peer->family != AF_INET6)
                return 1;
        peer->port = own ? sk->__sk_common.skc_num : port_of(sk->__sk_common.skc_dport);
        if (peer->family == AF_INET) {
                __u32 ipv4 = own ? sk->__sk_common.skc_rcv_saddr : sk->__sk_common.skc_daddr;

                peer_ipv4(peer, ipv4);
                return own || ipv4;
        }
        bpf_probe_read_kernel(halves, sizeof(halves), own ? &sk->__sk_common.skc_v6_rcv_saddr : &sk->__sk_common.skc_v6_daddr);
        __builtin_memcpy(peer->address, halves, sizeof(halves));
        peer->addressed = 1;
        return own || (halves[0] | halves[1]);
}

/* Which address a request is about. */
enum whose {
        GIVEN, /* with the call */
        HELD,  /* by the socket: its peer's */
        OWN,   /* by the socket: its own */
};

RF_INLINE int on_address(struct sock *sk, __u64 address, __u32 length, __u32 operations, enum whose whose)
{
        struct request req = {};
        struct peer peer = {};
        __u32 refusal = 0;

        if (request_begin(&req) && request_asks(&req, RF_CLASS_NETWORK, operations) &&
            (whose == GIVEN ? peer_read(&peer, sk, address, length, operations) : peer_held(&peer, sk, whose == OWN)))
                refusal = peer_decide(&req, &peer, operations, REFUSES_WITH_ERRNO);
        if (req.kill)
                bpf_send_signal(SIGKILL);
        request_end(&req);
        return verdict_of(refusal);
}

RF_INLINE int on_given(struct socket *socket, __u64 address, __u32 length, __u32 operations)
{
        return addressed(socket->sk) ? on_address(socket->sk, address, length, operations, GIVEN) : 0;
}

int lsm_socket_connect(unsigned long long *ctx)
{
        return on_given((struct socket *)ctx[0], ctx[1], ctx[2], RF_NETWORK_CONNECT);
}

int lsm_socket_bind(unsigned long long *ctx)
{
        return on_given((struct socket *)ctx[0], ctx[1], ctx[2], RF_NETWORK_BIND);
}

RF_INLINE int on_listen(struct socket *socket)
{
        return addressed(socket->sk) ? on_address(socket->sk, 0, 0, RF_NETWORK_LISTEN, OWN) : 0;
}

int lsm_socket_listen(unsigned long long *ctx)
{
        return on_listen((struct socket *)ctx[0]);
}

/* A stream has its peer already and ignores the name; SCTP associates by sending. */
RF_INLINE int names_peer(struct socket *socket, struct sock *sk, struct msghdr *message)
{
        if (!message->msg_name)
                return 0;
        return socket->type != SOCK_STREAM || (message->msg_flags & MSG_FASTOPEN) || sk->sk_protocol == IPPROTO_SCTP;
}

RF_INLINE int on_sendmsg(struct socket *socket, struct msghdr *message)
{
        struct sock *sk = socket->sk;
        int named;

        if (!addressed(sk))
                return 0;
        named = names_peer(socket, sk, message);
        return on_address(sk, (__u64)message->msg_name, message->msg_namelen,
                          named ? RF_NETWORK_CONNECT | RF_NETWORK_SEND : RF_NETWORK_SEND, named ? GIVEN : HELD);
}

int lsm_socket_sendmsg(unsigned long long *ctx)
{
        return on_sendmsg((struct socket *)ctx[0], (struct msghdr *)ctx[1]);
}

/* The IP protocol that a socket will have: left to the kernel, it is that of the type. */
RF_INLINE __u8 protocol_made(__u32 family, __u32 type, __u32 protocol)
{
        if (family != AF_INET && family != AF_INET6)
                return 0; /* numbers of other families mean other things */
        if (protocol)
                return protocol_of(protocol);
        if (type == SOCK_STREAM)
                return IPPROTO_TCP;
        if (type == SOCK_DGRAM)
                return IPPROTO_UDP;
        return type == SOCK_SEQPACKET ? IPPROTO_SCTP : 0;
}

RF_INLINE int on_create(__u32 family, __u32 type, __u32 protocol)
{
        struct peer peer = {.family = family, .socket_family = family};
        struct request req = {};
        __u32 refusal = 0;

        if (request_begin(&req) && request_asks(&req, RF_CLASS_NETWORK, RF_NETWORK_CREATE)) {
                peer.protocol = protocol_made(family, type, protocol);
                refusal = peer_decide(&req, &peer, RF_NETWORK_CREATE, REFUSES_WITH_ERRNO);
        }
        if (req.kill)
                bpf_send_signal(SIGKILL);
        request_end(&req);
        return verdict_of(refusal);
}

int lsm_socket_create(unsigned long long *ctx)
{
        return (__u32)ctx[3] ? 0 : on_create(ctx[0], ctx[1], ctx[2]);
}
