"""What a gradient step minimizes: one file for each published method that changes it.

An objective maps the samples of a micro-batch to a scalar loss, a mean over samples, so that
micro-batches add up to the minibatch. Everything random in it is drawn beforehand, once a
minibatch, with one row for each sample: the step is the same however it is cut, and on CUDA it
can be recorded once and replayed.
"""
