/** Writes GGUF, the file format of llama.cpp: metadata, tables of tensors, and ggml's number formats. Depends on no model. */
@NullMarked
package org.dpo4j.io.gguf;

import org.jspecify.annotations.NullMarked;
