package org.dpo4j.kernels.linux.x86_64;

import org.dpo4j.kernels.internal.NativeFiles;

/** The libraries of this jar. */
public final class LinuxFiles implements NativeFiles {}
