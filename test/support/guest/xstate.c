/*
 * For LD_PRELOAD under linux.uml 6.1: its buffer for PTRACE_SETREGSET of NT_X86_XSTATE is shorter than the state of
 * processors with AMX, which newer kernels refuse with EFAULT. What it does not know of stays as it is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

#define NT_X86_XSTATE 0x202

static char whole[65536];

long ptrace(enum __ptrace_request request, ...) {
  static long (*next)(enum __ptrace_request, pid_t, void *, void *);
  va_list list;
  va_start(list, request);
  pid_t pid = va_arg(list, pid_t);
  void *address = va_arg(list, void *);
  void *data = va_arg(list, void *);
  va_end(list);
  if (next == NULL) next = dlsym(RTLD_NEXT, "ptrace");
  if (request != PTRACE_SETREGSET || (long)address != NT_X86_XSTATE) return next(request, pid, address, data);
  struct iovec *given = data;
  struct iovec now = {whole, sizeof whole};
  if (next(PTRACE_GETREGSET, pid, address, &now) < 0) return -1;
  if (given->iov_len >= now.iov_len) return next(request, pid, address, data);
  memcpy(whole, given->iov_base, given->iov_len);
  return next(PTRACE_SETREGSET, pid, address, &now);
}
