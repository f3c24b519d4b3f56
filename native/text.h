#pragma once

#include <stddef.h>
#include <stdio.h>

namespace dpo4j {

// Copies a sentence into a caller's buffer, cut to fit. A null or empty buffer is left alone.
inline void copy_text(char* text, size_t text_bytes, const char* sentence) {
  if (text != nullptr && text_bytes != 0) snprintf(text, text_bytes, "%s", sentence);
}

}  // namespace dpo4j
