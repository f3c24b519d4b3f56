/**
 * The operations of a Llama decoder and its optimizer, forward and backward, as static calls on a device.
 *
 * <p>For every operation: addresses are device memory that the caller owns, and are used only until the queued work has
 * run. Outputs come first. Addresses and rows are 16-byte aligned; index arrays, and the scales of {@link
 * org.dpo4j.kernels.decoder.ScaleRows} and {@link org.dpo4j.kernels.decoder.ColumnSum}, 4-byte. Tensors are row-major,
 * and strides count elements between rows. {@code dtype} is the storage of tensors that are not marked f32, i32 or f64;
 * arithmetic is fp32 or wider. An argument that is refused throws a {@link org.dpo4j.kernels.Dpo4jException} with its
 * name, and nothing runs. Same inputs, same bits.
 */
@NullMarked
package org.dpo4j.kernels.decoder;

import org.jspecify.annotations.NullMarked;
