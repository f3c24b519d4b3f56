/**
 * The operations of a Llama decoder and its optimizer, as static calls on a device, forward and backward.
 *
 * <p>True of every operation: addresses are memory of the device, owned by the caller and used only until the queued
 * work has run; outputs come first. Addresses and rows are 16-byte aligned; index arrays, and the scales of {@link
 * org.dpo4j.kernels.decoder.ScaleRows}, 4-byte. Tensors are row-major and strides count elements between rows. {@code
 * dtype} is the storage of tensors not marked f32, i32 or f64; arithmetic is fp32 or wider. An argument that is refused
 * throws {@link org.dpo4j.kernels.Dpo4jException} naming it, and nothing has been done. Same inputs, same bits.
 */
@NullMarked
package org.dpo4j.kernels.decoder;

import org.jspecify.annotations.NullMarked;
