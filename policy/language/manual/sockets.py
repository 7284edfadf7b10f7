"""
The manual on `network`.
"""

from policy.language.manual.page import Case, Chapter, Operation

NETWORK = Chapter(
    about=(
        "`to` and `ports` are the peer's for `connect` and `send`, and the own ones for `bind` and `listen`; for "
        "`accept`, `to` is the peer's address and `ports` the own port. IPv4-mapped IPv6 addresses are IPv4.",
        "`families` is the socket's address family. `unix` are names of unix sockets: a path, or `@` and an abstract "
        "name. What names an address, a port or a protocol matches no unix socket, and `unix` matches no other. Unix "
        "sockets are decided only where a policy of the scope has a rule with `unix`, or with the family; else no rule "
        "and no default is about them. A path is the socket's real name now, whatever the name that led to it.",
        "Addresses are what the socket was given: names are not resolved, and `0.0.0.0` and `::` as a peer are this "
        "machine.",
    ),
    operations={
        "connect": Operation(
            meaning="Connecting a socket; also a message that names its peer (a datagram, TCP Fast Open), which is "
            "`send` at the same time.",
            hooks=(
                "socket_connect",
                "socket_sendmsg",
                "connect4",
                "connect6",
                "sendmsg4",
                "sendmsg6",
                "unix_stream_connect",
                "unix_may_send",
            ),
            unseen=(
                "Sockets that were connected before the policy, or came from outside; accepted connections.",
                "Further subflows of MPTCP, `sctp_connectx`, and source routes: rules see the last stop.",
                "What raw and packet sockets send in frames of their own making.",
                "A unix socket that was bound in another mount namespace has no name here: undecided.",
            ),
            rule="network: {operations: [connect], to: [169.254.169.254], ports: [80], protocols: [tcp]}\n"
            "action: deny\nerrno: ECONNREFUSED",
            cases=(
                Case("address: 169.254.169.254, port: 80, protocol: tcp", "deny"),
                Case("address: 169.254.169.254, port: 53, protocol: udp", "allow"),
                Case('unix: "@x"', "allow"),
            ),
        ),
        "bind": Operation(
            meaning="Giving a socket an address of its own.",
            hooks=("socket_bind", "path_mknod", "bind4", "bind6"),
            unseen=(
                "Ports and names that the kernel chooses for a socket that has not been bound to one; `sctp_bindx`.",
                "A path is decided where its file is made, so making a socket's file with `mknod` is a `bind` as well.",
            ),
            rule="network: {operations: [bind], ports: [1-1023]}\naction: deny",
            cases=(
                Case("address: 0.0.0.0, port: 80, protocol: tcp", "deny"),
                Case("address: 0.0.0.0, port: 8080, protocol: tcp", "allow"),
            ),
        ),
        "listen": Operation(
            meaning="Waiting for connections; the address is the one that the socket was bound to.",
            hooks=("socket_listen",),
            unseen=(
                "Datagram sockets, which receive without listening: decide their `bind`.",
                "Sockets that listened before the policy, or were handed over by systemd.",
            ),
            rule="network: {operations: [listen], families: [inet, inet6]}\naction: deny",
            cases=(
                Case("address: '::', port: 4444, protocol: tcp", "deny"),
                Case("unix: /run/app.sock", "allow"),
            ),
        ),
        "accept": Operation(
            meaning="Being connected to, decided when the request comes in.",
            hooks=("inet_conn_request", "socket_accept"),
            unseen=(
                "Whom the process would answer: the connection is decided by the socket that listens.",
                "The peer of a unix socket, which has no name as a rule.",
            ),
            rule="network: {operations: [accept], ports: [22]}\naction: deny",
            cases=(
                Case("address: 203.0.113.5, port: 22, protocol: tcp", "deny"),
                Case("address: 203.0.113.5, port: 443, protocol: tcp", "allow"),
            ),
        ),
        "send": Operation(
            meaning="Sending a message, by `send`, `write` or io_uring, to the peer that it names or is connected to.",
            hooks=("socket_sendmsg", "unix_may_send"),
            unseen=(
                "Which of the two it is when a unix datagram socket connects: decided as `connect` and `send`.",
                "Messages of SCTP that name an association instead of an address.",
                "Bytes moved by `sendfile` and `splice` before Linux 6.5.",
                "What the kernel sends by itself: acknowledgements, errors, what was queued before.",
            ),
            rule="network: {operations: [send], ports: [53], protocols: [udp]}\naction: audit",
            cases=(
                Case("address: 9.9.9.9, port: 53, protocol: udp", "audit"),
                Case("address: 9.9.9.9, port: 443, protocol: udp", "allow"),
            ),
        ),
        "create": Operation(
            meaning="Making a socket, by family and protocol. The class default does not reach it: only a rule that "
            "names it decides.",
            hooks=("socket_create",),
            unseen=("Sockets that come from outside: accepted ones, and descriptors that are passed.",),
            rule="network: {operations: [create], families: [packet, netlink, alg]}\naction: deny\nerrno: EACCES",
            cases=(Case("family: packet", "deny"), Case("family: inet, protocol: tcp", "allow")),
        ),
    },
)
