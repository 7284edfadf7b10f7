/* Network hooks of cgroups, for kernels that load no LSM program: the same decisions, by the same tables.
 *   connect4, connect6   connect
 *   sendmsg4, sendmsg6   connect, where a datagram names its peer itself
 *   bind4, bind6         bind
 * Attached to the topmost scoped cgroups only. Here is no task storage: everything in scope is armed, and subjects are unknown, so
 * that push refuses network rules with a subject. */
#include "abi.h"
#include "peer.h"

/* 1: go on; 0: refused, always with EPERM. */
RF_INLINE int on_cgroup_peer(struct peer *peer, __u32 operations)
{
        struct request req = {.task = bpf_get_current_task_btf()};
        struct rf_scope *scope;

        if (!request_generation(&req))
                return 1;
        req.cgroup = bpf_get_current_cgroup_id();
        scope = scope_nearest(&req);
        if (!scope)
                return 1;
        req.profile_number = scope->profile;
        req.profile = table_of(RF_MAP_profiles, req.slot, scope->profile);
        if (req.profile && req.profile->domains <= 2)
                req.domain = 1;
        if (!request_asks(&req, RF_CLASS_NETWORK, operations))
                return 1;
        return peer_decide(&req, peer, operations, REFUSES_WITH_EPERM) ? 0 : 1;
}

RF_INLINE int on_cgroup_ipv4(struct bpf_sock_addr *ctx, __u32 operations)
{
        struct peer peer = {.port = port_of(ctx->user_port), .protocol = protocol_of(ctx->protocol), .socket_family = ctx->family};

        peer_ipv4(&peer, ctx->user_ip4);
        return on_cgroup_peer(&peer, operations);
}

RF_INLINE int on_cgroup_ipv6(struct bpf_sock_addr *ctx, __u32 operations)
{
        struct peer peer = {.port = port_of(ctx->user_port), .protocol = protocol_of(ctx->protocol), .socket_family = ctx->family};
        __u32 words[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};

        __builtin_memcpy(peer.address, words, sizeof(peer.address));
        peer.family = AF_INET6;
        peer.addressed = 1;
        return on_cgroup_peer(&peer, operations);
}

int cgroup_connect4(struct bpf_sock_addr *ctx)
{
        return on_cgroup_ipv4(ctx, RF_NETWORK_CONNECT);
}

int cgroup_connect6(struct bpf_sock_addr *ctx)
{
        return on_cgroup_ipv6(ctx, RF_NETWORK_CONNECT);
}

int cgroup_sendmsg4(struct bpf_sock_addr *ctx)
{
        return on_cgroup_ipv4(ctx, RF_NETWORK_CONNECT);
}

int cgroup_sendmsg6(struct bpf_sock_addr *ctx)
{
        return on_cgroup_ipv6(ctx, RF_NETWORK_CONNECT);
}

int cgroup_bind4(struct bpf_sock_addr *ctx)
{
        return on_cgroup_ipv4(ctx, RF_NETWORK_BIND);
}

int cgroup_bind6(struct bpf_sock_addr *ctx)
{
        return on_cgroup_ipv6(ctx, RF_NETWORK_BIND);
}
