package org.dpo4j.model;

/**
 * Where a parameter is in the flat buffers of {@link Parameters}.
 *
 * @param begin its first element, a multiple of {@value FlatLayout#ALIGNMENT}
 * @param end the element after its last
 * @param hasDecay whether weight decay applies to it: to matrices, not to vectors
 */
public record ParameterRange(long begin, long end, boolean hasDecay) {}
