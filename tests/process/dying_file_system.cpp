#include "dying_file_system.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <unistd.h>

namespace {

thread_local int steps_left = 0;  // 0: it lives

void step() {
  if (steps_left > 0 && --steps_left == 0) ::raise(SIGKILL);
}

ssize_t write_at(int file, const void* bytes, size_t size, off_t at) {
  step();
  return ::pwrite(file, bytes, size, at);
}

int truncate_to(int file, off_t size) {
  step();
  return ::ftruncate(file, size);
}

int lock(int file, int command, void* argument) {
  if (command == F_SETLK) step();
  return ::fcntl(file, command, argument);
}

template <class Function>
void put_in_place(const char* name, Function* function) {
  sqlite3_vfs* vfs = sqlite3_vfs_find(nullptr);
  vfs->xSetSystemCall(vfs, name, reinterpret_cast<sqlite3_syscall_ptr>(function));
}

}  // namespace

void querymark::test::die_at(int step) {
  put_in_place("pwrite", write_at);
  put_in_place("pwrite64", write_at);
  put_in_place("ftruncate", truncate_to);
  put_in_place("fcntl", lock);
  steps_left = step;
}
