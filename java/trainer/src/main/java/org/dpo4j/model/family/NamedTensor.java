package org.dpo4j.model.family;

/**
 * A tensor of a family's files, and the part of a parameter that it holds.
 *
 * @param layer layer of the parameter; 0 if it belongs to no layer
 * @param begin first row of a matrix, or first element of a vector
 * @param count number of rows or elements
 */
public record NamedTensor(String name, ParameterKind kind, int layer, int begin, int count) {}
