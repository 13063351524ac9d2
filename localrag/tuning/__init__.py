"""Tuning: which settings and which quantisation answer fastest on this machine, measured, with the quality beside the speed."""
