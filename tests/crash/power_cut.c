/* What a disk has been told, in order: preloaded into a process (LD_PRELOAD), it writes every write, truncation, sync,
 * rename and removal of files in one folder to a journal. power_cut.ts replays it up to some moment and drops what was
 * not synced by then, as a power cut does.
 *
 * POWER_CUT_DIR is the folder, POWER_CUT_JOURNAL the file to write to. A record is a header (below) and `length` bytes:
 * what was written, or the name of the file. A sync is told after it has happened, all else before: a process that is
 * killed in between leaves a write in the journal that nobody has relied on, never one on the disk that the journal
 * does not know. Left out: mmap, aio, vectored writes and duplicated descriptors, none of which SQLite's log uses. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { OP_OPEN = 1, OP_WRITE, OP_TRUNCATE, OP_SYNC, OP_UNLINK, OP_RENAME_FROM, OP_RENAME_TO };

struct header {
  uint32_t op;
  uint32_t file; /* number of the open file: its descriptor and how often that was used */
  uint64_t time_us; /* since the epoch */
  uint64_t offset; /* of a write; new size of a truncation */
  uint64_t length; /* bytes that follow */
};

#define MAX_FDS 65536
static uint32_t files[MAX_FDS]; /* 0: not in the folder */
static uint32_t last_file;
static int journal = -1;
static const char *folder;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void append(const void *bytes, size_t length) {
  static ssize_t (*real_write)(int, const void *, size_t);
  if (!real_write) real_write = REAL(write);
  for (const char *at = bytes; length > 0;) {
    ssize_t written = real_write(journal, at, length);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) abort(); /* a journal with a hole would prove nothing */
    at += written;
    length -= written;
  }
}

/* The lock is held. */
static void record(uint32_t op, uint32_t file, uint64_t offset, const void *bytes, uint64_t length) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  struct header header = {op, file, (uint64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000, offset, length};
  append(&header, sizeof header);
  if (length > 0) append(bytes, length);
}

/* The name within the folder, or NULL. */
static const char *name_of(const char *path) {
  if (journal < 0) {
    const char *file = getenv("POWER_CUT_JOURNAL");
    folder = getenv("POWER_CUT_DIR");
    if (!file || !folder) return NULL;
    journal = REAL(open64)(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (journal < 0) abort();
  }
  size_t length = strlen(folder);
  if (strncmp(path, folder, length) != 0 || path[length] != '/') return NULL;
  return path + length + 1;
}

static void opened(int fd, const char *path, int flags) {
  if (fd < 0 || fd >= MAX_FDS) return;
  int saved = errno;
  pthread_mutex_lock(&lock);
  const char *name = name_of(path);
  files[fd] = name ? ++last_file : 0;
  if (name) {
    record(OP_OPEN, files[fd], 0, name, strlen(name));
    if (flags & O_TRUNC) record(OP_TRUNCATE, files[fd], 0, NULL, 0);
  }
  pthread_mutex_unlock(&lock);
  errno = saved;
}

#define OPEN(symbol)                                                \
  int symbol(const char *path, int flags, ...) {                    \
    va_list rest;                                                   \
    va_start(rest, flags);                                          \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                   \
    int fd = REAL(symbol)(path, flags, mode);                       \
    opened(fd, path, flags);                                        \
    return fd;                                                      \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(symbol)                                              \
  int symbol(int dir, const char *path, int flags, ...) {           \
    va_list rest;                                                   \
    va_start(rest, flags);                                          \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                   \
    int fd = REAL(symbol)(dir, path, flags, mode);                  \
    opened(fd, path, flags);                                        \
    return fd;                                                      \
  }
OPENAT(openat)
OPENAT(openat64)

static uint32_t file_of(int fd) { return fd >= 0 && fd < MAX_FDS ? files[fd] : 0; }

int close(int fd) {
  if (fd >= 0 && fd < MAX_FDS) files[fd] = 0;
  return REAL(close)(fd);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  if (!file_of(fd)) return REAL(pwrite64)(fd, bytes, length, offset);
  pthread_mutex_lock(&lock);
  record(OP_WRITE, files[fd], offset, bytes, length);
  ssize_t written = REAL(pwrite64)(fd, bytes, length, offset);
  int saved = errno;
  pthread_mutex_unlock(&lock);
  errno = saved;
  return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  return pwrite64(fd, bytes, length, offset);
}

ssize_t write(int fd, const void *bytes, size_t length) {
  static ssize_t (*real_write)(int, const void *, size_t);
  if (!real_write) real_write = REAL(write);
  if (!file_of(fd)) return real_write(fd, bytes, length);
  pthread_mutex_lock(&lock);
  off_t offset = lseek(fd, 0, fcntl(fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
  record(OP_WRITE, files[fd], offset, bytes, length);
  ssize_t written = real_write(fd, bytes, length);
  int saved = errno;
  pthread_mutex_unlock(&lock);
  errno = saved;
  return written;
}

#define TRUNCATE(symbol, type)                                      \
  int symbol(int fd, type size) {                                   \
    pthread_mutex_lock(&lock);                                      \
    if (file_of(fd)) record(OP_TRUNCATE, file_of(fd), size, NULL, 0); \
    int result = REAL(symbol)(fd, size);                            \
    int saved = errno;                                              \
    pthread_mutex_unlock(&lock);                                    \
    errno = saved;                                                  \
    return result;                                                  \
  }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(symbol)                                                \
  int symbol(int fd) {                                              \
    pthread_mutex_lock(&lock);                                      \
    int result = REAL(symbol)(fd);                                  \
    int saved = errno;                                              \
    if (result == 0 && file_of(fd)) record(OP_SYNC, file_of(fd), 0, NULL, 0); \
    pthread_mutex_unlock(&lock);                                    \
    errno = saved;                                                  \
    return result;                                                  \
  }
SYNC(fsync)
SYNC(fdatasync)

static void named(uint32_t op, const char *path) {
  const char *name = name_of(path);
  if (name) record(op, 0, 0, name, strlen(name));
}

int unlink(const char *path) {
  pthread_mutex_lock(&lock);
  named(OP_UNLINK, path);
  int result = REAL(unlink)(path);
  int saved = errno;
  pthread_mutex_unlock(&lock);
  errno = saved;
  return result;
}

int rename(const char *from, const char *to) {
  pthread_mutex_lock(&lock);
  named(OP_RENAME_FROM, from);
  named(OP_RENAME_TO, to);
  int result = REAL(rename)(from, to);
  int saved = errno;
  pthread_mutex_unlock(&lock);
  errno = saved;
  return result;
}
