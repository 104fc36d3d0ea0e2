"""The course about itself: what it asks for, how a chapter is built, in which order it is read.

self_test        ten numbers a reader should be able to find, and how to compute them
foundation_map   which model holds which building block, found by looking inside it
schedule         a track as an order of chapters, and what would be wrong with one
chapter_parts    the four things every chapter does
"""
