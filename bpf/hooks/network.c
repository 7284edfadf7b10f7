/* Network hooks of LSM: decide by the peer's label.
 *   socket_connect  connect
 *   socket_sendmsg  connect, where a message names its peer itself: datagrams, raw sockets, TCP Fast Open
 * Netlink sockets are not network peers. Unix sockets are where a profile names some; their names are not read, so that such a rule is
 * undecided. A family that has no addresses we know matches rules without `to` only. */
#include "abi.h"
#include "peer.h"

/* Read the peer out of a socket address that the kernel has copied already. 0: there is none to decide about. */
RF_INLINE int peer_read(struct request *req, struct peer *peer, struct socket *socket, __u64 address, __u32 length, int sending)
{
        struct sock *sk = socket->sk;
        __u16 own, protocol;
        __u8 raw[28] = {};

        if (!sk || length < 2)
                return 0;
        own = sk->__sk_common.skc_family;
        protocol = sk->sk_protocol;
        bpf_probe_read_kernel(raw, 2, (void *)address);
        peer->family = raw[0] | (__u16)raw[1] << 8;
        if (own == AF_NETLINK || (own == AF_UNIX && !unix_concerns(req)))
                return 0;
        peer->socket_family = own;
        if (own == AF_PACKET)
                peer->family = AF_PACKET; /* which never looks at what the address says of itself */
        if (peer->family == AF_UNSPEC) {
                if (!sending || (own == AF_INET6 && (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE)))
                        return 0; /* takes a peer away; raw sockets, L2TP and IPv4 read it as an address when they send */
                peer->family = own;
        }
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

RF_INLINE int on_peer(struct socket *socket, __u64 address, __u32 length, int sending)
{
        struct request req = {};
        struct peer peer = {};
        __u32 refusal = 0;

        if (request_begin(&req) && request_concerns(&req, RF_CLASS_NETWORK) &&
            peer_read(&req, &peer, socket, address, length, sending))
                refusal = peer_decide(&req, &peer, REFUSES_WITH_ERRNO);
        if (req.kill)
                bpf_send_signal(SIGKILL);
        request_end(&req);
        return verdict_of(refusal);
}

int lsm_socket_connect(unsigned long long *ctx)
{
        return on_peer((struct socket *)ctx[0], ctx[1], ctx[2], 0);
}

RF_INLINE int on_sendmsg(struct socket *socket, struct msghdr *message)
{
        struct sock *sk = socket->sk;

        if (!sk || !message->msg_name)
                return 0;
        if (socket->type == SOCK_STREAM && !(message->msg_flags & MSG_FASTOPEN) && sk->sk_protocol != IPPROTO_SCTP)
                return 0; /* a stream has its peer already and ignores the name; SCTP associates by sending */
        return on_peer(socket, (__u64)message->msg_name, message->msg_namelen, 1);
}

int lsm_socket_sendmsg(unsigned long long *ctx)
{
        return on_sendmsg((struct socket *)ctx[0], (struct msghdr *)ctx[1]);
}
