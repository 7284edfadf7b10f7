/* Questions about network peers. */
#ifndef RINGFENCE_PEER_H
#define RINGFENCE_PEER_H

#include "abi.h"
#include "decide.h"
#include "request.h"

/* Whom a socket would talk to, or its own side; IPv4 as ::ffff:a.b.c.d. */
struct peer {
        __u8 address[16];
        __u16 port;   /* host order */
        __u16 family; /* of the address */
        __u16 socket_family;
        __u8 protocol;
        __u8 addressed; /* IPv4 or IPv6 */
};

#define PART_NONE 1U /* class of a part that nothing asks for */

/* A port in network order, in the low half of a word. */
RF_INLINE __u16 port_of(__u32 raw)
{
        return (raw & 0xff) << 8 | ((raw >> 8) & 0xff);
}

/* Multipath TCP is TCP to whoever writes a policy. */
RF_INLINE __u8 protocol_of(__u32 protocol)
{
        return protocol == IPPROTO_MPTCP || protocol == IPPROTO_SMC ? IPPROTO_TCP : protocol;
}

RF_INLINE void peer_ipv4(struct peer *peer, __u32 address)
{
        peer->addressed = 1;
        peer->family = AF_INET;
        peer->address[10] = 0xff;
        peer->address[11] = 0xff;
        __builtin_memcpy(&peer->address[12], &address, 4);
}

RF_INLINE __u32 address_class(struct request *req, struct peer *peer)
{
        struct rf_address_key key = {.prefix_length = 32 + 128, .profile = req->profile_number};
        void *inner = inner_of(RF_MAP_addresses, req->slot);
        __u32 *found;

        if (!peer->addressed)
                return req->profile->address_default;
        __builtin_memcpy(key.address, peer->address, sizeof(key.address));
        found = inner ? bpf_map_lookup_elem(inner, &key) : 0;
        return found ? *found : ~0U;
}

RF_INLINE __u32 port_class(struct rf_profile *profile, const __u32 *words, __u16 port)
{
        __u32 page;

        if (!profile->ports)
                return 0;
        page = words[(profile->ports + (port >> 8)) & (RF_WORDS - 1)];
        return words[(page + (port & 255)) & (RF_WORDS - 1)];
}

/* The class of a byte in a table of 256; 0 where the profile tells nothing apart. */
RF_INLINE __u32 byte_class(const __u32 *words, __u32 table, __u32 byte)
{
        if (!table || byte > 255)
                return table ? PART_NONE : 0;
        return words[(table + byte) & (RF_WORDS - 1)];
}

RF_INLINE void question_peer(struct request *req, struct question *q, struct peer *peer)
{
        const __u32 *words = table_of(RF_MAP_words, req->slot, 0);
        struct rf_profile *profile = req->profile;
        __u64 halves[2];
        __u32 address;

        if (!words || !profile)
                return;
        address = address_class(req, peer);
        if (address == ~0U) {
                req->reason = RF_REASON_TABLE_MISSING;
                address = 0;
        }
        q->parts[0] = blurred(words, address);
        q->parts[1] = blurred(words, port_class(profile, words, peer->port));
        q->parts[2] = blurred(words, byte_class(words, profile->protocols, peer->protocol));
        q->parts[3] = blurred(words, byte_class(words, profile->families, peer->socket_family));
        q->operations = blurred(words, q->operations);
        q->port = blurred(words, peer->port);
        q->family = blurred(words, peer->family);
        q->protocol = blurred(words, peer->protocol);
        __builtin_memcpy(halves, peer->address, sizeof(halves));
        halves[0] = blurred(words, halves[0]);
        halves[1] = blurred(words, halves[1]);
        __builtin_memcpy(q->address, halves, sizeof(halves));
}

/* Decide about operations on a peer or an own address. Returns the errno of a refusal, or 0. */
RF_INLINE __u32 peer_decide(struct request *req, struct peer *peer, __u32 operations, __u32 refusal)
{
        struct question q = {.class_id = RF_CLASS_NETWORK, .operations = operations, .refusal = refusal};

        question_peer(req, &q, peer);
        return request_decide(req, &q);
}

#endif
