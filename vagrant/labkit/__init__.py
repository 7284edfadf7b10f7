"""
What `vagrant/lab` is made of: standard library only, because it runs before anything of ours is installed.

kernels    which kernels there are, and what is taken out of their images
initramfs  the small file system a guest starts from
share      a directory of this machine, offered to the guest
machine    the QEMU command line
session    one boot: wires, streams, signals, the end
cli        arguments in, exit status out
"""
