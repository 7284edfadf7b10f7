/* What an open costs in a directory that nobody asked about before. Counterpart of hookbench, which opens one file again and again.
 * usage: coldbench DIRECTORY COUNT   has DIRECTORY/0/f to DIRECTORY/COUNT-1/f: each is opened once
 * Prints one line, as hookbench does: the mean of all. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
	int count, refused = 0;
	char name[256];
	double spent = 0;

	if (argc != 3)
		return 2;
	count = atoi(argv[2]);
	for (int i = 0; i < count; i++) {
		double start;
		int fd;

		snprintf(name, sizeof(name), "%s/%03d/f", argv[1], i);
		start = now();
		fd = open(name, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			refused++;
		else
			close(fd);
		spent += now() - start;
	}
	printf("%-24s %10.0f  refused %d\n", "cold-open+close", spent / count, refused);
	return 0;
}
