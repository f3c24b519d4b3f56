package org.dpo4j.model.family;

/**
 * A tensor of a family's files, and the part of a parameter that it holds.
 *
 * @param layer that the parameter belongs to; 0 for one of no layer
 * @param begin first row of a matrix, or first element of a vector
 * @param count rows or elements
 */
public record NamedTensor(String name, ParameterKind kind, int layer, int begin, int count) {}
