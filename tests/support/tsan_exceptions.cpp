#include <dlfcn.h>

// ThreadSanitizer does not see into libstdc++, which counts who holds an exception: that the last to let go of one
// comes after all others is news to it, and it takes the end of the exception for a race with their reads. So
// it does not look at that end. (A suppression can't tell it from any other: what is deleted goes by free(), too. What
// the exceptions of the library itself hold goes by their destructors, which tsan.supp names.)

extern "C" {
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);

void __cxa_free_exception(void* thrown) noexcept {
  static const auto next =
      reinterpret_cast<void (*)(void*)>(dlsym(RTLD_NEXT, "__cxa_free_exception"));
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  next(thrown);
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
}
}
