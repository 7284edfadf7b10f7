"""Make BTF by hand: small kernels whose every offset a test chose."""

import struct
from dataclasses import dataclass, field


@dataclass
class BtfMaker:
    """Types are numbered from 1 in the order added; each method returns the number."""

    types: bytes = b""
    strings: bytes = b"\0"
    count: int = 0
    names: dict[str, int] = field(default_factory=dict)

    def name(self, text: str) -> int:
        if not text:
            return 0
        if text not in self.names:
            self.names[text] = len(self.strings)
            self.strings += text.encode() + b"\0"
        return self.names[text]

    def add(self, kind: int, name: str, size: int, tail: bytes = b"", count: int = 0, flag: bool = False) -> int:
        self.types += struct.pack("<III", self.name(name), flag << 31 | kind << 24 | count, size) + tail
        self.count += 1
        return self.count

    def integer(self, name: str, size: int, signed: bool = False) -> int:
        return self.add(1, name, size, struct.pack("<I", signed << 24 | 8 * size))

    def pointer(self, target: int) -> int:
        return self.add(2, "", target)

    def array(self, element: int, count: int, index: int = 1) -> int:
        return self.add(3, "", 0, struct.pack("<III", element, index, count))

    def aggregate(
        self, name: str, size: int, members: list[tuple[str, int, int] | tuple[str, int, int, int]], union: bool = False
    ) -> int:
        """Members: (name, type, bit offset[, width of a bit field])."""
        flag = any(len(member) == 4 for member in members)
        tail = b"".join(
            struct.pack("<III", self.name(m[0]), m[1], (m[3] << 24 if len(m) == 4 else 0) | m[2]) for m in members
        )
        return self.add(5 if union else 4, name, size, tail, len(members), flag)

    def enum(self, name: str, size: int, values: list[tuple[str, int]]) -> int:
        tail = b"".join(struct.pack("<Ii", self.name(n), v) for n, v in values)
        return self.add(6, name, size, tail, len(values), flag=True)

    def typedef(self, name: str, target: int) -> int:
        return self.add(8, name, target)

    def function(self, name: str) -> int:
        prototype = self.add(13, "", 0)
        return self.add(12, name, prototype)

    def data(self) -> bytes:
        head = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self.types), len(self.types), len(self.strings))
        return head + self.types + self.strings


def small_kernel() -> BtfMaker:
    """
    A kernel with what is hard: a packed enum, a bit field, a union, an anonymous struct, a misplaced integer.

        struct file { u8 kind (packed enum); u32 a:3, b:5; union { u64 whole; struct { u32 low, high; }; };
                      struct path { struct dentry *dentry; } f_path; u64 odd (at 29, packed); }
    """
    make = BtfMaker()
    u32, u64 = make.integer("unsigned int", 4), make.integer("unsigned long long", 8)
    kind = make.enum("kind", 1, [("KIND_ONE", 1), ("KIND_LAST", 2)])
    dentry = make.aggregate("dentry", 16, [("d_flags", u32, 0), ("d_inode", make.pointer(0), 64)])
    path = make.aggregate("path", 8, [("dentry", make.pointer(dentry), 0)])
    halves = make.aggregate("", 8, [("low", u32, 0), ("high", u32, 32)])
    either = make.aggregate("", 8, [("whole", u64, 0), ("", halves, 0)], union=True)
    make.aggregate(
        "file",
        37,
        [
            ("kind", kind, 0, 0),
            ("a", u32, 32, 3),
            ("b", u32, 35, 5),
            ("", either, 64, 0),
            ("f_path", path, 128, 0),
            ("odd", u64, 232, 0),
        ],
    )
    make.typedef("kuid_t", make.aggregate("", 4, [("val", u32, 0)]))
    for hook in ("file_open", "task_alloc"):
        make.function(f"bpf_lsm_{hook}")
    return make
